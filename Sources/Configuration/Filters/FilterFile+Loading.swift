import MailTypes

extension FilterFile {
    /// Reads one file's text. `nil` where it names no stage.
    public static func read(_ octets: [UInt8], file: String, number: Int, name: String) -> Loaded<FilterFile?> {
        let document: TOMLDocument
        do { document = try TOMLDocument(octets, file: file) } catch { return Loaded(nil, [error]) }
        let (contents, log) = TOMLDecoder.decodeLogging(Grouped<Contents>.self, from: document.root)
        guard let contents = contents?.group, let word = contents.stage, let node = document.root["stage"] else {
            return Loaded(nil, log.diagnostics)
        }
        var read = FilterFile(number: number, name: name, file: file, stage: Located(word, at: node.location))
        read.take(contents, from: document.root)
        return Loaded(read, log.diagnostics)
    }

    private mutating func take(_ contents: Contents, from root: TOMLNode) {
        only = Self.located(contents.only, root["only"])
        unless = Self.located(contents.unless, root["unless"])
        onFailure = contents.onFailure
        timeout = contents.timeout
        isObserved = contents.isObserved
        isEnabled = contents.isEnabled
        table = contents.table
        for entry in contents.domains {
            domainTables[entry.value.name] = entry.value.table
            domains.append(Located(entry.value.name, at: entry.location))
        }
    }

    private static func located(_ words: [String], _ list: TOMLNode?) -> [Located<String>] {
        zip(words, list?.array ?? []).map { Located($0, at: $1.location) }
    }
}

extension TOMLNode {
    fileprivate subscript(key: String) -> TOMLNode? { table?[key] }
}

/// A file of `filters.d` as it is written.
private struct Contents: OptionGroup {
    struct Domain {
        var name: String
        var table: TOMLNode
    }

    var stage: String?
    var only: [String] = []
    var unless: [String] = []
    var onFailure = FilterFile.FailurePolicy.tempfail
    var timeout: Interval = "30s"
    var isObserved = false
    var isEnabled = true
    var table: TOMLNode?
    var domains: [Located<Domain>] = []

    init(_ options: OptionTable) {
        options.require("stage", &stage)
        options.read("only", &only)
        options.read("unless", &unless)
        options.read("on_failure", &onFailure)
        options.read("timeout", &timeout, from: "1ms", to: "10m")
        options.read("observe", &isObserved)
        options.read("enabled", &isEnabled)
        let hasDomains = options.has("domain")
        guard let stage else {
            options.takeAll()
            return
        }
        table = options.table(stage)
        if hasDomains { readDomains(options, stage) }
    }

    private mutating func readDomains(_ options: OptionTable, _ stage: String) {
        guard let tables = options.table("domain")?.table else { return }
        for entry in tables.entries {
            let path: TOMLPath = ["domain", .key(entry.key)]
            guard let inner = entry.value.table else {
                options.report(
                    entry.location, path, "`domain.\(entry.key.quotedKey)` must be a table, not \(entry.value.kind)")
                continue
            }
            let name = entry.key.lowercased()
            if !DomainSyntax.isDomain(name) {
                let message = "\(entry.key.quoted) is not a domain name"
                let hint = name.utf8.allSatisfy { $0 < 0x80 } ? nil : "letters beyond ASCII are written as \"xn--…\""
                options.report(entry.location, path, message, hint: hint)
            } else if let first = domains.first(where: { $0.value.name == name }) {
                options.report(entry.location, path, "\(entry.key.quoted) has a table already, at \(first.location)")
                continue
            }
            for word in inner.entries where word.key != stage {
                options.report(.unknownKey(word, vocabulary: [stage]), path + [.key(word.key)])
            }
            guard let own = inner.entry(stage) else { continue }
            guard own.value.table != nil else {
                options.report(own.location, path + [.key(stage)], "`\(stage)` must be a table, not \(own.value.kind)")
                continue
            }
            domains.append(Located(Domain(name: name, table: own.value), at: own.value.location))
        }
    }
}

extension OptionTable {
    /// A table that somebody else decodes.
    fileprivate func table(_ key: String) -> TOMLNode? {
        guard has(key), let node = decoder.node.child(key)?.top else { return nil }
        if node.table != nil { return node }
        note(key, "must be a table, not \(node.kind)")
        return nil
    }

    /// Without a stage, nobody knows which tables are its own.
    fileprivate func takeAll() {
        for key in decoder.node.keys where decoder.node.child(key)?.top.table != nil { _ = has(key) }
    }

    fileprivate func report(_ location: SourceLocation, _ path: TOMLPath, _ message: String, hint: String? = nil) {
        report(Diagnostic(.error, at: location, message, hint: hint), path)
    }

    fileprivate func report(_ diagnostic: Diagnostic, _ path: TOMLPath) {
        decoder.log.add(diagnostic, at: decoder.path + path)
    }
}
