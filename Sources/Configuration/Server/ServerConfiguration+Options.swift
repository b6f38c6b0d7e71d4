import MailTypes

// The names of the options of sluice.toml, and what they may be.

extension ServerConfiguration: OptionGroup {
    init(_ options: OptionTable) {
        self.init()
        options.read("hostname", &hostname)
        options.read("data", &data)
        options.read("filters", &filters)
        options.read("rules", &rules)
        options.read("tls", &tls)
        options.read("dns", &dns)
        options.read("listener", &listeners)
        options.read("limits", &limits)
        options.read("queue", &queue)
        options.read("delivery", &delivery)
        options.read("auth", &auth)
        options.read("addresses", &addresses)
        options.read("chain", &chain)
        options.read("memory", &memory)
        options.read("log", &log)
        options.read("metrics", &metrics)
        options.read("trace", &trace)
        options.read("sandbox", &sandbox)
        options.read("clamav", &clamav)
        options.read("dmarc_reports", &dmarcReports)
        options.read("tls_reports", &tlsReports)
        options.read("quarantine", &quarantine)
        options.read("run", &run)
        options.read("autoreply", &autoreply)
        options.read("events", &events)
    }
}

extension ServerConfiguration.TLS: OptionGroup {
    init(_ options: OptionTable) {
        self.init()
        options.read("certificate", &certificate)
        options.read("key", &key)
        options.read("names", &names)
    }
}

extension ServerConfiguration.TLS.Name: OptionGroup {
    init(_ options: OptionTable) {
        self.init()
        options.require("name", &name)
        options.require("certificate", &certificate)
        options.require("key", &key)
    }
}

extension ServerConfiguration.DNS: OptionGroup {
    init(_ options: OptionTable) {
        self.init()
        options.read("servers", &servers)
        options.read("dnssec", &dnssec)
        options.read("trust_anchor", &trustAnchor)
        options.read("public_suffixes", &publicSuffixes)
    }
}

extension ServerConfiguration.Queue: OptionGroup {
    init(_ options: OptionTable) {
        self.init()
        options.read("give_up_after", &giveUpAfter, from: "1m", to: "365d")
        options.read("warn_after", &warnAfter, from: "0s", to: "365d")
        options.read("retry_first", &retryFirst, from: "1s", to: "7d")
        options.read("retry_longest", &retryLongest, from: "1s", to: "7d")
        options.read("retry_factor", &retryFactor, in: 1...10)
        options.read("inline_limit", &inlineLimit, from: "0", to: "16MB")
        options.read("segment_size", &segmentSize, from: "1MB", to: "4GB")
        options.read("reserve", &reserve, from: "0", to: "1048576GB")
        options.read("inode_reserve", &inodeReserve, in: 0...1_000_000_000)
        options.read("pending_limit", &pendingLimit, from: "1MB", to: "1024GB")
        options.read("recent_limit", &recentLimit, from: "0", to: "1024GB")
        options.read("crash_limit", &crashLimit, in: 1...100)
        options.read("lanes", &lanes, in: 1...64)
    }
}

extension ServerConfiguration.Delivery: OptionGroup {
    init(_ options: OptionTable) {
        self.init()
        options.read("max_connections", &maxConnections, in: 1...100_000)
        options.read("max_connections_per_destination", &maxConnectionsPerDestination, in: 1...10_000)
        options.read("max_messages_per_connection", &maxMessagesPerConnection, in: 1...1_000_000)
        options.read("keep_connection", &keepConnection, from: "0s", to: "5m")
        options.read("max_recipients", &maxRecipients, in: 1...10_000)
        options.read("max_hosts", &maxHosts, in: 1...100)
        options.read("local_threads", &localThreads, in: 1...256)
        options.read("port", &port, in: 1...65_535)
        options.read("family", &family)
        options.read("source_addresses", &sourceAddresses)
        options.read("refuse_private_exchangers", &refusePrivateExchangers)
        options.read("tls", &tls)
        if options.has("tls") { tlsLocation = options.decoder.node.location(of: ["tls"]) }
        options.read("dane", &dane)
        options.read("tls_policy", &tlsPolicies)
        options.read("mta_sts", &mtaSTS)
        options.read("trust_roots", &trustRoots)
        options.read("max_returned", &maxReturned, from: "0", to: "16MB")
        // RFC 5321 §6.3 asks for 100 at least.
        options.read("max_received", &maxReceived, in: 25...1000)
        options.read("timeouts", &timeouts)
    }
}

extension ServerConfiguration.Delivery.TLSPolicy: OptionGroup {
    init(_ options: OptionTable) {
        self.init()
        options.require("domain", &domain)
        options.require("tls", &tls)
        options.read("dane", &dane)
        options.read("mta_sts", &mtaSTS)
        location = options.decoder.node.location(of: ["domain"])
    }
}

extension ServerConfiguration.Delivery.MTASTS: OptionGroup {
    init(_ options: OptionTable) {
        self.init()
        options.read("enabled", &enabled)
        options.read("port", &port, in: 1...65_535)
        options.read("timeout", &timeout, from: "1s", to: "5m")
        options.read("capacity", &capacity, in: 1...10_000_000)
    }
}

extension ServerConfiguration.Delivery.Timeouts: OptionGroup {
    init(_ options: OptionTable) {
        self.init()
        options.read("connect", &connect, from: "1s", to: "1h")
        options.read("greeting", &greeting, from: "1s", to: "1h")
        options.read("hello", &hello, from: "1s", to: "1h")
        options.read("tls", &tls, from: "1s", to: "1h")
        options.read("mail", &mail, from: "1s", to: "1h")
        options.read("recipient", &recipient, from: "1s", to: "1h")
        options.read("data", &data, from: "1s", to: "1h")
        options.read("block", &block, from: "1s", to: "1h")
        options.read("final", &final, from: "1s", to: "1h")
        options.read("quit", &quit, from: "0s", to: "1h")
    }
}

extension ServerConfiguration.Auth: OptionGroup {
    init(_ options: OptionTable) {
        self.init()
        options.read("max_failures_per_address", &maxFailuresPerAddress, in: 1...1_000_000)
        options.read("max_failures_per_account", &maxFailuresPerAccount, in: 1...1_000_000)
        options.read("window", &window, from: "1s", to: "30d")
        options.read("first_delay", &firstDelay, from: "0s", to: "1m")
        options.read("longest_delay", &longestDelay, from: "0s", to: "5m")
        options.read("password_threads", &passwordThreads, in: 1...256)
        options.read("max_waiting", &maxWaiting, in: 1...100_000)
        options.read("remember", &remember, from: "0s", to: "24h")
    }
}

extension ServerConfiguration.Limits: OptionGroup {
    init(_ options: OptionTable) {
        self.init()
        options.read("max_connections", &maxConnections, in: 1...1_000_000)
        options.read("max_connections_per_address", &maxConnectionsPerAddress, in: 1...1_000_000)
        options.read("max_handshakes", &maxHandshakes, in: 1...100_000)
        options.read("content_memory", &contentMemory, from: "4KB", to: "64MB")
        options.read("max_unfinished_per_address", &maxUnfinishedPerAddress, from: "0", to: "1024GB")
        options.read("unfinished_forgiven", &unfinishedForgiven, from: "1s", to: "7d")
        options.read("spool_threads", &spoolThreads, in: 1...256)
    }
}

extension ServerConfiguration.Addresses: OptionGroup {
    init(_ options: OptionTable) {
        self.init()
        options.read("detail_separator", &detailSeparator)
        options.read("verify_domains", &verifyDomains)
        let allowed = ["", "+", "-", "_", "=", "#"]
        if !allowed.contains(detailSeparator) {
            let list = allowed.map(\.quoted).joined(separator: ", ")
            options.note("detail_separator", "must be one of \(list), not \(detailSeparator.quoted)")
        }
    }
}

extension ServerConfiguration.Memory: OptionGroup {
    init(_ options: OptionTable) {
        self.init()
        options.read("capacity", &capacity, in: 1000...1_000_000_000)
        options.read("write_every", &writeEvery, from: "100ms", to: "10m")
    }
}

extension ServerConfiguration.Chain: OptionGroup {
    init(_ options: OptionTable) {
        self.init()
        options.read("on_mixed", &onMixed)
        guard let text: String = options.optional("postmaster") else { return }
        do { postmaster = try AddressParser.mailbox(text) } catch {
            options.note("postmaster", "must be an address such as \"admin@example.org\", not \(text.quoted)")
        }
    }
}

extension ServerConfiguration.Log: OptionGroup {
    init(_ options: OptionTable) {
        self.init()
        options.read("format", &format)
        options.read("level", &level)
    }
}

extension ServerConfiguration.Metrics: OptionGroup {
    init(_ options: OptionTable) {
        self.init()
        options.read("bind", &bind)
    }
}

extension ServerConfiguration.Trace: OptionGroup {
    init(_ options: OptionTable) {
        self.init()
        options.read("keep_for", &keepFor, from: "1m", to: "3650d")
        options.read("keep_messages", &keepMessages)
        options.read("max_message", &maxMessage, from: "0", to: "1GB")
        options.read("max_size", &maxSize, from: "1MB", to: "1048576GB")
    }
}

extension ServerConfiguration.Sandbox: OptionGroup {
    init(_ options: OptionTable) {
        self.init()
        options.read("isolation", &isolation)
        options.read("workers", &workers, in: 1...64)
        options.read("jobs_per_worker", &jobsPerWorker, in: 1...1_000_000_000)
        options.read("job_timeout", &jobTimeout, from: "100ms", to: "5m")
        options.read("memory", &memory, from: "32MB", to: "64GB")
        options.read("max_waiting", &maxWaiting, in: 1...100_000)
    }
}

extension ServerConfiguration.ClamAV: OptionGroup {
    init(_ options: OptionTable) {
        self.init()
        options.read("database", &database)
        options.read("workers", &workers, in: 1...64)
        options.read("scans_per_worker", &scansPerWorker, in: 1...1_000_000_000)
        options.read("max_time", &maxTime, from: "100ms", to: "10m")
        options.read("timeout", &timeout, from: "200ms", to: "11m")
        options.read("memory", &memory, from: "64MB", to: "64GB")
        options.read("max_scan_size", &maxScanSize, from: "1MB", to: "2GB")
        options.read("max_file_size", &maxFileSize, from: "1MB", to: "2GB")
        options.read("max_files", &maxFiles, in: 1...1_000_000)
        options.read("max_nesting", &maxNesting, in: 1...100)
        options.read("folder", &folder)
        options.read("servers", &servers)
        options.read("connections", &connections, in: 1...256)
    }
}

extension ServerConfiguration.Reports: OptionGroup {
    init(_ options: OptionTable) {
        self.init()
        options.read("send", &send)
        options.read("organization", &organization)
        options.read("contact", &contact)
        options.read("hour", &hour, in: 0...23)
        options.read("max_size", &maxSize, from: "4KB", to: "64MB")
        // RFC 7489 §6.2 asks for two at least.
        options.read("max_destinations", &maxDestinations, in: 2...20)
        options.read("max_reports", &maxReports, in: 1...1_000_000)
        guard let text: String = options.optional("from") else { return }
        do { from = try AddressParser.mailbox(text) } catch {
            options.note("from", "must be an address such as \"dmarc@example.org\", not \(text.quoted)")
        }
    }
}

extension ServerConfiguration.TLSReports: OptionGroup {
    init(_ options: OptionTable) {
        self.init()
        reports = ServerConfiguration.Reports(options)
        options.read("gather", &gather)
        options.read("spread", &spread, from: "0s", to: "12h")
    }
}

extension ServerConfiguration.Quarantine: OptionGroup {
    init(_ options: OptionTable) {
        self.init()
        options.read("keep_for", &keepFor, from: "1h", to: "3650d")
        options.read("digest", &digest)
        options.read("digest_hour", &digestHour, in: 0...23)
        options.read("link", &link)
        options.read("link_life", &linkLife, from: "1h", to: "365d")
        if digest, !link.hasPrefix("https://"), !link.hasPrefix("http://") {
            options.note("link", "must be where digests' links lead: \"https://mx.example.org/release/\"")
        }
    }
}

extension ServerConfiguration.Run: OptionGroup {
    init(_ options: OptionTable) {
        self.init()
        options.read("user", &user)
        options.read("group", &group)
        options.read("stop_limit", &stopLimit, from: "0s", to: "1h")
    }
}

extension ServerConfiguration.Autoreply: OptionGroup {
    init(_ options: OptionTable) {
        self.init()
        options.read("max_per_hour", &maxPerHour, in: 1...100_000)
        options.read("max_senders", &maxSenders, in: 1...1_000_000)
    }
}
