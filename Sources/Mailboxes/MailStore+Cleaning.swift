public import MailTypes
public import struct Foundation.Date

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

extension MailStore {
    /// Removes what crashes have left in the `tmp` folders of all mailboxes, once it is old enough.
    /// Folders that cannot be read are passed over.
    /// - Returns: how many files went.
    @discardableResult
    public func removeStaleFiles(now: Date) throws(SystemError) -> Int {
        let limit = now.timeIntervalSince1970 - options.staleAfter.seconds
        var removed = 0
        let root = try openRoot()
        for domain in subfolders(of: root) {
            for localPart in subfolders(of: domain) {
                guard let maildir = subfolder(MailboxPath.maildir, of: localPart) else { continue }
                removed += clean(maildir, limit: limit)
                let names = (try? calls.names(in: maildir.number, limit: options.maxScannedFolders)) ?? []
                for name in names where name.hasPrefix(".") {
                    if let folder = subfolder(name, of: maildir) { removed += clean(folder, limit: limit) }
                }
            }
        }
        return removed
    }

    private func subfolder(_ name: String, of folder: Descriptor) -> Descriptor? {
        try? calls.open(name, in: folder.number, O_RDONLY | O_DIRECTORY)
    }

    private func subfolders(of folder: Descriptor) -> some Sequence<Descriptor> {
        let names = (try? calls.names(in: folder.number, limit: options.maxScannedNames)) ?? []
        return names.lazy.compactMap { self.subfolder($0, of: folder) }
    }

    private func clean(_ folder: Descriptor, limit: Double) -> Int {
        guard let tmp = subfolder("tmp", of: folder) else { return 0 }
        let names = (try? calls.names(in: tmp.number, limit: options.maxScannedNames)) ?? []
        var removed = 0
        for name in names {
            var status = stat()
            guard
                fstatat(tmp.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0,
                status.st_mode & S_IFMT == S_IFREG,
                Double(max(status.st_mtim.tv_sec, status.st_atim.tv_sec)) < limit
            else { continue }
            if (try? calls.remove(name, in: tmp.number)) != nil { removed += 1 }
        }
        return removed
    }
}
