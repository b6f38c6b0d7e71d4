public import MailTypes

extension ServerConfiguration {
    /// `[events]`: programs that are run on messages.
    public struct Events: Sendable, Hashable {
        /// The folder that the programs lie in.
        public var folder = "events.d"
        /// The program of the pickup event, by its name in the folder; empty: there is none.
        public var pickup = ""
        /// Where that stands.
        public var pickupLocation: SourceLocation?
        /// Whether the delivery event is for bulk and system mail as well.
        public var deliveryBulk = false
        /// Whether the pickup event is.
        public var pickupBulk = false
        /// How long a program may run.
        public var timeout: Interval = "30s"
        /// Octets that each of its processes may map.
        public var memory: ByteCount = "256MB"
        /// Octets of a file that it writes.
        public var maxFile: ByteCount = "16MB"
        /// On larger messages no program is run.
        public var maxMessage: ByteCount = "50MB"
        /// Programs that run at once.
        public var atOnce = 4
        /// Messages that wait for one; on further ones none is run.
        public var maxWaiting = 100
        /// Whether programs are kept from files that are not theirs.
        public var isolated = true
        /// Folders that they may read besides those of the system.
        public var readable: [String] = []
        /// Folders that they may write to besides their own.
        public var writable: [String] = []
        public init() {}
    }
}

extension ServerConfiguration.Events: OptionGroup {
    init(_ options: OptionTable) {
        self.init()
        options.read("folder", &folder)
        options.read("pickup", &pickup)
        if options.has("pickup") { pickupLocation = options.decoder.node.location(of: ["pickup"]) }
        options.read("delivery_bulk", &deliveryBulk)
        options.read("pickup_bulk", &pickupBulk)
        options.read("timeout", &timeout, from: "1s", to: "10m")
        options.read("memory", &memory, from: "16MB", to: "64GB")
        options.read("max_file", &maxFile, from: "0", to: "64GB")
        options.read("max_message", &maxMessage, from: "1KB", to: "4GB")
        options.read("at_once", &atOnce, in: 1...64)
        options.read("max_waiting", &maxWaiting, in: 0...10_000)
        options.read("isolated", &isolated)
        options.read("readable", &readable)
        options.read("writable", &writable)
        for (key, folders) in [("readable", readable), ("writable", writable)] {
            for folder in folders where !folder.hasPrefix("/") {
                options.note(key, "must be whole paths of folders: \"\(folder)\" does not begin with /")
            }
        }
    }
}
