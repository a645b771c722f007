package peers;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.Locale;

/**
 * Time from the arrival of the first row until the last one is handled; as {@code meter.py}.
 *
 * <p>One for the process: the frameworks make their own copies of what holds it.
 */
final class Meter {
    private static final OperatingSystemMXBean SYSTEM =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    private static long rows;
    private static long seen;
    private static long alerts;
    private static volatile boolean started;
    private static long wallNs;
    private static long cpuNs;

    private Meter() {}

    static void expect(long all) {
        rows = all;
    }

    /** Begins at the first call: rows have come. */
    static void start() {
        if (!started) {
            wallNs = System.nanoTime();
            cpuNs = SYSTEM.getProcessCpuTime();
            started = true;
        }
    }

    static void alert() {
        alerts++;
    }

    /** Counts a row handled; true when it was the last, whereupon the line is printed. */
    static boolean add() {
        if (++seen != rows) {
            return false;
        }
        double wall = (System.nanoTime() - wallNs) / 1e9;
        double cpu = (SYSTEM.getProcessCpuTime() - cpuNs) / 1e9;
        System.out.printf(
                Locale.ROOT,
                "{\"rows\": %d, \"wall_s\": %f, \"cpu_s\": %f, \"alerts\": %d}%n",
                seen, wall, cpu, alerts);
        System.out.flush();
        return true;
    }
}
