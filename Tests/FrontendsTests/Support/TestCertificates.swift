import Foundation
import Frontends

/// Certificates made for one test by the openssl command.
struct TestCertificates {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// A self-signed certificate for `name`; `file` is what its two files are called.
    func make(_ name: String, file: String? = nil) throws -> CertificateFiles {
        let base = "\(folder.path)/\(file ?? name)"
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
        process.arguments = [
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", "/CN=\(name)", "-keyout", "\(base).key", "-out", "\(base).pem",
        ]
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return CertificateFiles(certificate: "\(base).pem", key: "\(base).key")
    }

    func store(_ names: [String]) throws -> CertificateStore {
        try CertificateStore(
            names.enumerated().map { place, name in
                var files = try make(name)
                files.name = place == 0 ? nil : name
                return files
            })
    }
}
