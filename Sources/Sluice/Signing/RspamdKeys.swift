import Foundation
import MailTypes

/// Keys as rspamd keeps them: files `DOMAIN.SELECTOR.key`, in PEM or, of Ed25519, in base64; or any files that its
/// `dkim_signing.conf` names.
enum RspamdKeys {
    /// The keys of a domain in a folder, or the one in a file. `selector` names what the file's name does not.
    static func keys(of domain: String, at path: String, selector: String?) throws -> [ForeignKey] {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw CommandFailure.wrong("There is no \(path).")
        }
        guard isFolder.boolValue else {
            let name = (path as NSString).lastPathComponent
            if name.hasSuffix(".conf") {
                guard selector == nil else {
                    throw CommandFailure.wrong("\(name) names the keys itself: no --selector.")
                }
                let octets = try ForeignKey.contents(of: path)
                return try RspamdConfiguration(octets, file: path).keys(of: domain).map { key in
                    try ForeignKey(selector: key.selector, file: key.file)
                }
            }
            guard let selector = selector ?? self.selector(in: name, of: domain) else {
                throw CommandFailure.wrong(
                    "\(name) is not called \(domain).SELECTOR.key: say which key it is with --selector.")
            }
            return [try ForeignKey(selector: selector, file: path)]
        }
        guard selector == nil else {
            throw CommandFailure.wrong("\(path) is a folder, in which names tell the keys: no --selector.")
        }
        let names: [String]
        do { names = try FileManager.default.contentsOfDirectory(atPath: path).sorted() } catch {
            throw CommandFailure.wrong("\(path) cannot be read: \(error.localizedDescription)")
        }
        let keys = try names.compactMap { name in
            try self.selector(in: name, of: domain).map { try ForeignKey(selector: $0, file: "\(path)/\(name)") }
        }
        guard !keys.isEmpty else {
            throw CommandFailure.wrong("\(path) has no file \(domain).SELECTOR.key.")
        }
        return keys
    }

    private static func selector(in name: String, of domain: String) -> String? {
        let name = name.asciiLowercased
        guard name.hasPrefix("\(domain)."), name.hasSuffix(".key") else { return nil }
        let selector = name.dropFirst(domain.count + 1).dropLast(4)
        return selector.isEmpty ? nil : String(selector)
    }
}
