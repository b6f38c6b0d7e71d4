import Foundation

/// Digests as `openssl dgst` makes them, so that what is tested is not measured by itself.
enum CertificateDigest {
    static func sha256(_ octets: [UInt8]) -> [UInt8] { digest(octets, "-sha256") }
    static func sha512(_ octets: [UInt8]) -> [UInt8] { digest(octets, "-sha512") }

    private static func digest(_ octets: [UInt8], _ name: String) -> [UInt8] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
        process.arguments = ["dgst", name, "-binary"]
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        guard (try? process.run()) != nil else { return [] }
        try? input.fileHandleForWriting.write(contentsOf: Data(octets))
        try? input.fileHandleForWriting.close()
        let digest = (try? output.fileHandleForReading.readToEnd()) ?? Data()
        process.waitUntilExit()
        return Array(digest)
    }
}
