package peers;

/** Where a peer reads, and how many rows the topic holds. */
record Options(String brokers, String topic, long rows) {

    static Options of(String[] arguments) {
        String brokers = "";
        String topic = "";
        long rows = 0;
        for (int at = 0; at + 1 < arguments.length; at += 2) {
            switch (arguments[at]) {
                case "--brokers" -> brokers = arguments[at + 1];
                case "--topic" -> topic = arguments[at + 1];
                case "--rows" -> rows = Long.parseLong(arguments[at + 1]);
                default -> throw new IllegalArgumentException(arguments[at]);
            }
        }
        return new Options(brokers, topic, rows);
    }
}
