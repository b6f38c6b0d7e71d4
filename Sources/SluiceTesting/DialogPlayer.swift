/// What a dialog is played against: a machine in memory, or a socket.
public protocol DialogTransport {
    /// Sends these octets, as far as possible in one piece.
    mutating func send(_ octets: [UInt8]) async throws
    /// The octets that came from the server since the last call; empty only if nothing can come any more
    /// without the client's doing, or if the time for it is over.
    mutating func receive() async throws -> [UInt8]
    /// The TLS handshake, after the server's 220.
    mutating func startTLS() async throws
    /// Whether the server has closed the connection.
    mutating func isClosed() async throws -> Bool
    /// The contents of the messages that the server has taken; `nil` where nobody can tell.
    func takenMessages() async throws -> [[UInt8]]?
}

/// Plays dialogs, whole or cut to pieces.
public struct DialogPlayer {
    /// How the client's octets reach the server.
    public enum Cutting: Sendable, Hashable, CustomStringConvertible {
        /// Lines that follow each other without a reply between them arrive together.
        case whole
        case octets
        /// Whole, but for a cut before this octet of all that the client sends.
        case at(Int)

        public var description: String {
            switch self {
            case .whole: "whole"
            case .octets: "octet by octet"
            case .at(let place): "cut at \(place)"
            }
        }
    }

    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    private let dialog: Dialog
    private let cutting: Cutting
    private var pending: [UInt8] = []
    private var sent = 0
    private var received = ReplyLines()
    private var taken = 0

    /// Plays the dialog to its end, or throws a ``Failure`` that names the line.
    public static func play(
        _ dialog: Dialog, _ cutting: Cutting, against transport: inout some DialogTransport
    ) async throws {
        var player = DialogPlayer(dialog: dialog, cutting: cutting)
        for line in dialog.lines { try await player.play(line, against: &transport) }
        try await player.flush(&transport)
        if let takes = dialog.takes, let messages = try await transport.takenMessages(), messages.count != takes {
            throw player.failure(0, "\(messages.count) messages were taken, not \(takes)")
        }
        if let extra = try await player.nextReply(&transport) { throw player.failure(0, "a reply too many: \(extra)") }
    }

    private init(dialog: Dialog, cutting: Cutting) {
        self.dialog = dialog
        self.cutting = cutting
    }

    private mutating func play(_ line: Dialog.Line, against transport: inout some DialogTransport) async throws {
        switch line.event {
        case .client(let octets):
            pending += octets
        case .server(let pattern):
            try await flush(&transport)
            guard let reply = try await nextReply(&transport) else {
                throw failure(line.number, "no reply, expected \(pattern)")
            }
            guard Dialog.matches(reply, pattern: pattern) else {
                throw failure(line.number, "got \(reply), expected \(pattern)")
            }
        case .startTLS:
            try await flush(&transport)
            try await transport.startTLS()
        case .closed:
            try await flush(&transport)
            if let reply = try await nextReply(&transport) { throw failure(line.number, "got \(reply), not the end") }
            guard try await transport.isClosed() else { throw failure(line.number, "the connection is still open") }
        case .taken(let content):
            try await flush(&transport)
            guard let messages = try await transport.takenMessages() else { return }
            guard taken < messages.count, messages[taken] == content else {
                let got = taken < messages.count ? String(decoding: messages[taken], as: UTF8.self) : "none"
                throw failure(line.number, "took \(got.debugDescription)")
            }
            taken += 1
        }
    }

    private mutating func nextReply(_ transport: inout some DialogTransport) async throws -> String? {
        while true {
            if let reply = received.next() { return reply }
            let octets = try await transport.receive()
            guard !octets.isEmpty else { return nil }
            received.append(octets)
        }
    }

    private mutating func flush(_ transport: inout some DialogTransport) async throws {
        let octets = pending
        pending = []
        defer { sent += octets.count }
        guard !octets.isEmpty else { return }
        switch cutting {
        case .whole:
            try await transport.send(octets)
        case .octets:
            for octet in octets { try await transport.send([octet]) }
        case .at(let place):
            let cut = place - sent
            guard cut > 0, cut < octets.count else { return try await transport.send(octets) }
            try await transport.send(Array(octets[..<cut]))
            try await transport.send(Array(octets[cut...]))
        }
    }

    private func failure(_ line: Int, _ what: String) -> Failure {
        Failure(description: "\(dialog.name):\(line) (\(cutting)): \(what)")
    }
}

/// Puts octets together to replies: the code, and the lines' texts joined by spaces.
struct ReplyLines {
    private var octets: [UInt8] = []
    private var start = 0
    private var texts: [String] = []

    mutating func append(_ more: [UInt8]) { octets += more }

    mutating func next() -> String? {
        while let end = octets[start...].firstIndex(of: 10) {
            let line = octets[start..<end].last == 13 ? octets[start..<(end - 1)] : octets[start..<end]
            start = end + 1
            texts.append(String(decoding: texts.isEmpty ? line : line.dropFirst(4), as: UTF8.self))
            if line.count < 4 || line[line.startIndex + 3] != UInt8(ascii: "-") {
                defer { texts = [] }
                var reply = texts.joined(separator: " ")
                if texts.count > 1 { reply = reply.prefix(3) + " " + reply.dropFirst(4) }
                return reply
            }
        }
        octets.removeFirst(start)
        start = 0
        return nil
    }
}
