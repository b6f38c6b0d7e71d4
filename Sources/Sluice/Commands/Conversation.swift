import Foundation
import MailTypes

#if canImport(Glibc)
    import Glibc
#endif

/// A plain SMTP client for the demonstration: one message, said line by line.
struct Conversation {
    private let descriptor: CInt
    /// What the server says; written to is the descriptor itself.
    private let stream: UnsafeMutablePointer<FILE>

    /// Connects to 127.0.0.1.
    init(port: Int) throws {
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(clamping: port).bigEndian)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
        }
        guard result == 0, let stream = fdopen(descriptor, "r") else {
            Glibc.close(descriptor)
            throw CommandFailure.again("Nothing listens on 127.0.0.1:\(port); start a server with `make run`.")
        }
        self.descriptor = descriptor
        self.stream = stream
    }

    func close() { fclose(stream) }

    /// Sends a sample and tells the id that the server gave it.
    func send(_ sample: Sample) throws -> TransactionID? {
        _ = try reply()
        _ = try say("EHLO client.example")
        _ = try say("MAIL FROM:<try-out@client.example>")
        var last = ""
        var isAnyTaken = false
        for recipient in sample.recipients {
            last = try say("RCPT TO:<\(recipient)>")
            isAnyTaken = isAnyTaken || last.hasPrefix("2")
        }
        if isAnyTaken {
            _ = try say("DATA")
            last = try say(sample.message + "\r\n.")
        }
        print("  \(Terminal.styled("the server says", .faint)) \(Terminal.harmless(last))")
        _ = try say("QUIT")
        return last.split { !$0.isLetter && !$0.isNumber }.compactMap { TransactionID($0) }.last
    }

    private func say(_ line: String) throws -> String {
        let octets = Array((line + "\r\n").utf8)
        var sent = 0
        while sent < octets.count {
            let count = octets[sent...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { throw CommandFailure.again("The server has hung up.") }
            sent += count
        }
        return try reply()
    }

    /// The last line of a reply.
    private func reply() throws -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        while fgets(&buffer, CInt(buffer.count), stream) != nil {
            let text = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            let line = String(decoding: text, as: UTF8.self).trimmingCharacters(in: .newlines)
            if line.dropFirst(3).first != "-" { return line }
        }
        throw CommandFailure.again("The server has hung up.")
    }
}
