"""Late, absent and stale are told apart."""

from collections import Counter
from dataclasses import dataclass
from functools import cache

import pytest
from silence_situations import SITUATIONS, UNTIL_S, lag
from silence_verdicts import (
    Faults, faults, flow_spans, plans, right_spans, wall_clock_spans, WITHOUT_OPTIONS,
)
from silence_world import World, logs_of
import numpy as np

AFTER_S = 240

def text(spans, alert):
    def clock(s):
        return "" if s == np.inf else f"{int(s)//60}:{int(s)%60:02d}"
    rule, host = alert.split()
    return " ".join(f"{clock(x.fired)}-{clock(x.resolved)}" for x in spans.get((rule, host), []))

if __name__ == "__main__":
    import sys, time, tempfile, pathlib
    want = sys.argv[1:] 
    for s in SITUATIONS:
        if want and not any(w in s.name for w in want): continue
        folder = pathlib.Path(tempfile.mkdtemp())
        t=time.time()
        logs = logs_of(s.rows)
        plan, bare = plans(folder, len(logs))
        world = World(plan, logs).live(s.until_s + AFTER_S, **s.live)
        t1=time.time()
        got = flow_spans(world, s.until_s)
        right = right_spans(plan, s.rows, s.until_s)
        wall = wall_clock_spans(bare, world.arrived, s.until_s)
        t2=time.time()
        rules = {r for r,_ in {*got,*right,*wall}}
        plain, opt = set(WITHOUT_OPTIONS), rules-set(WITHOUT_OPTIONS)
        strip = lambda d: {k:[(x.fired,x.resolved) for x in v] for k,v in d.items()}
        print(f"== {s.name} flow {t1-t:.1f}s twin {t2-t1:.1f}s same={strip(got)==strip(right)} letters={Counter(l.reason.value for l in world.letters)} expected late {s.late} wild {s.wild} again {world.said_again} counts {world.flow.counts}")
        fa=faults(got,right,rules); fp=faults(wall,right,plain); fo=faults(wall,right,opt)
        print("   flow", fa, fa.latest, "| wall", fp, fp.latest, "| opts", fo, fo.latest)
        for a,w in s.right.items():
            if text(right,a)!=w: print("   right", a, "want", w, "twin", text(right,a))
            if text(got,a)!=w: print("   flow", a, "want", w, "got", text(got,a))
        if strip(got)!=strip(right):
            for k in sorted({*got,*right}):
                a=f"{k[0]} {k[1]}"
                if k[1] and text(got,a)!=text(right,a): print("   DIFF", a, "flow", text(got,a), "twin", text(right,a))
        t=time.time(); 
        w2 = World(plan, logs, batch_rows=7).replay(world.journals)
        a={k for k in world.said if (world.said[k][1].tick) <= 10**30}; b=set(w2.said)
        print("   replay", len(a), len(b), "only live", len(a-b), "only replay", len(b-a), f"{time.time()-t:.1f}s")
        world.close(); w2.close()
