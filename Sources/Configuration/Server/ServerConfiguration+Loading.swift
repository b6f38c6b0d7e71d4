import MailTypes

extension ServerConfiguration {
    /// Reads `sluice.toml`. Paths in it are relative to its folder.
    ///
    /// Never throws: a file that cannot be read is one of the diagnostics.
    public static func load(_ path: String) -> Loaded<ServerConfiguration> {
        do {
            return read(try SourceFile.read(path), file: path)
        } catch {
            let location = SourceLocation(file: path)
            return Loaded(.default, [Diagnostic(.error, at: location, "the file cannot be read: \(error.reason)")])
        }
    }

    /// Reads the text of a `sluice.toml` that lies, or would lie, at `file`.
    public static func read(_ octets: [UInt8], file: String) -> Loaded<ServerConfiguration> {
        let document: TOMLDocument
        do { document = try TOMLDocument(octets, file: file) } catch { return Loaded(.default, [error]) }
        let (grouped, log) = TOMLDecoder.decodeLogging(Grouped<ServerConfiguration>.self, from: document.root)
        var configuration = grouped?.group ?? .default
        configuration.file = file
        configuration.resolve(in: file.folder)
        var checks = ServerChecks(configuration, root: document.root, log: log)
        checks.run()
        return Loaded(checks.configuration, log.diagnostics + checks.diagnostics)
    }

    private mutating func resolve(in folder: String) {
        data = data.path(in: folder)
        filters = filters.path(in: folder)
        events.folder = events.folder.path(in: folder)
        rules = rules.path(in: folder)
        tls.certificate = tls.certificate?.path(in: folder)
        tls.key = tls.key?.path(in: folder)
        for index in tls.names.indices {
            tls.names[index].certificate = tls.names[index].certificate.path(in: folder)
            tls.names[index].key = tls.names[index].key.path(in: folder)
        }
        delivery.trustRoots = delivery.trustRoots?.path(in: folder)
        dns.trustAnchor = dns.trustAnchor.path(in: folder)
        dns.publicSuffixes = dns.publicSuffixes?.path(in: folder)
        clamav.database = clamav.database.path(in: folder)
        clamav.folder = clamav.folder.path(in: folder)
        clamav.servers = clamav.servers.map { $0.resolved(in: folder) }
        for index in listeners.indices {
            listeners[index].certificate = listeners[index].certificate?.path(in: folder)
            listeners[index].key = listeners[index].key?.path(in: folder)
            listeners[index].bind = listeners[index].bind.map { $0.resolved(in: folder) }
        }
        metrics.bind = metrics.bind.map { $0.resolved(in: folder) }
    }
}

extension BindAddress {
    fileprivate func resolved(in folder: String) -> BindAddress {
        if case .unix(let path) = self { .unix(path: path.path(in: folder)) } else { self }
    }
}
