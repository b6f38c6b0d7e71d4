import MailTypes

/// One reply of an HTTP server to a client that asks once and goes. RFC 9112.
public struct HTTPReplyReader: ScannerReplyReader {
    public struct Reply: Sendable, Hashable {
        public var status: Int
        public var body: [UInt8]

        public init(status: Int, body: [UInt8]) {
            self.status = status
            self.body = body
        }
    }

    /// Octets of the status line and all fields.
    public static let longestHead = 16 << 10

    private enum State: Sendable {
        case head
        /// Octets that are still to come.
        case counted(Int)
        case untilTheEnd
        case chunkSize
        case chunk(Int)
        case chunkEnd
        case trailer
        case over(ScannerProgress<Reply>)
    }

    /// The media type of the body, in lower case and without parameters; `nil`: none is given. RFC 9110 §8.3.
    public private(set) var mediaType: String?

    private let mostBody: Int
    private var state = State.head
    private var line: [UInt8] = []
    private var headOctets = 0
    private var status: Int?
    private var length: Int?
    private var isChunked = false
    private var body: [UInt8] = []

    public init(mostBody: Int) { self.mostBody = mostBody }

    public mutating func read(_ octets: some Sequence<UInt8>) -> ScannerProgress<Reply> {
        for octet in octets {
            if case .over = state { break }
            read(octet)
        }
        return progress
    }

    public mutating func end() -> ScannerProgress<Reply> {
        switch state {
        case .over: break
        case .untilTheEnd: finish()
        case .head, .counted, .chunkSize, .chunk, .chunkEnd, .trailer: fail("it hung up in the middle")
        }
        return progress
    }

    private var progress: ScannerProgress<Reply> {
        if case .over(let progress) = state { progress } else { .unfinished }
    }

    private mutating func finish() { state = .over(.finished(Reply(status: status ?? 0, body: body))) }
    private mutating func fail(_ reason: String) { state = .over(.broken(reason)) }

    private mutating func read(_ octet: UInt8) {
        switch state {
        case .counted(let count):
            body.append(octet)
            state = .counted(count - 1)
            if count == 1 { finish() }
        case .untilTheEnd:
            guard body.count < mostBody else { return fail("its answer is too long") }
            body.append(octet)
        case .chunk(let count):
            body.append(octet)
            state = count == 1 ? .chunkEnd : .chunk(count - 1)
        case .head, .chunkSize, .chunkEnd, .trailer: collect(octet)
        case .over: break
        }
    }

    /// Lines end with CR LF, or with LF alone. RFC 9112 §2.2.
    private mutating func collect(_ octet: UInt8) {
        headOctets += 1
        // Chunks have lines, too: as many as there can be octets in the body.
        guard headOctets <= Self.longestHead + 16 * body.count else { return fail("its header is too long") }
        guard octet == .lf else {
            line.append(octet)
            return
        }
        if line.last == .cr { line.removeLast() }
        let complete = line
        line = []
        take(complete)
    }

    private mutating func take(_ line: [UInt8]) {
        switch state {
        case .head where status == nil: takeStatus(line)
        case .head where line.isEmpty: beginBody()
        case .head: takeField(line)
        case .chunkSize: takeChunkSize(line)
        case .chunkEnd: line.isEmpty ? (state = .chunkSize) : fail("a chunk is longer than it says")
        case .trailer: if line.isEmpty { finish() }
        case .counted, .untilTheEnd, .chunk, .over: break
        }
    }

    /// `HTTP/1.1 200 OK`. RFC 9112 §4.
    private mutating func takeStatus(_ line: [UInt8]) {
        let parts = line.split(separator: .space, maxSplits: 2)
        guard
            parts.count >= 2, parts[0].starts(with: "HTTP/1.".utf8), parts[1].count == 3,
            let code = Int(String(decoding: parts[1], as: UTF8.self)), (100...599).contains(code)
        else { return fail("it does not speak HTTP") }
        status = code
    }

    private mutating func takeField(_ line: [UInt8]) {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return fail("its header cannot be read") }
        let value = String(decoding: line[(colon + 1)...], as: UTF8.self).asciiLowercased
            .split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == "," })
        if line[..<colon].equalsIgnoringCase("content-length") {
            // Two lengths are the seed of smuggling; of a scanner they are only nonsense. RFC 9112 §6.3.
            let number = value.count == 1 ? Int(value[0]) : nil
            guard let number, number >= 0, value[0].allSatisfy(\.isNumber), length == nil || length == number else {
                return fail("its length cannot be read")
            }
            guard number <= mostBody else { return fail("its answer is too long") }
            length = number
        } else if line[..<colon].equalsIgnoringCase("content-type") {
            mediaType = value.first.map { String($0.prefix { $0 != ";" }) }
        } else if line[..<colon].equalsIgnoringCase("transfer-encoding") {
            guard value == ["chunked"] else { return fail("it encodes its answer in an unknown way") }
            isChunked = true
        }
    }

    /// RFC 9112 §6.3.
    private mutating func beginBody() {
        if let status, status < 200 {
            // A preliminary word; the reply is still to come.
            (self.status, length, isChunked) = (nil, nil, false)
        } else if isChunked {
            state = .chunkSize
        } else if let length {
            if length == 0 { finish() } else { state = .counted(length) }
        } else {
            state = .untilTheEnd
        }
    }

    /// RFC 9112 §7.1.
    private mutating func takeChunkSize(_ line: [UInt8]) {
        let digits = line.prefix { $0 != UInt8(ascii: ";") && $0 != .space }
        guard (1...8).contains(digits.count), let size = Int(String(decoding: digits, as: UTF8.self), radix: 16),
            size >= 0
        else { return fail("a chunk has no length") }
        guard size <= mostBody - body.count else { return fail("its answer is too long") }
        state = size == 0 ? .trailer : .chunk(size)
    }
}
