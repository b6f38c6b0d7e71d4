public import MailTypes

/// A message as scanners get it: as a whole, which they take apart themselves, and its parts once more as our own
/// reading has them.
///
/// Mail programs and scanners do not take every crooked message apart alike: where there are two boundaries, odd base64
/// or a broken header, what a reader gets may not be what the scanner has looked at. Scanners remember what they have
/// found clean, so a part that both have found costs a digest only.
public struct ScannedMail: Sendable {
    /// With this before it ClamAV takes whatever follows for mail; it goes by the first field's name.
    static let beginning = Bytes(Array("Received: by scanner\r\n".utf8))
    /// Characters of base64 that are tried where a message cannot be taken apart for sure.
    static let shortestRun = 48
    /// What a scan finds where not all parts could be given, as ClamAV would call it.
    public static let tooManyParts = "Heuristics.Limits.Exceeded.MaxFiles"

    private let message: Message
    private let structure: MIMEStructure

    public init(_ message: Message) {
        self.message = message
        structure = MIMEStructure(of: message)
    }

    /// The whole message.
    public var whole: [Bytes] { [Self.beginning] + message.pieces }

    /// Calls `scan` with what does not stand in the message as it is: at most `most` times, and with at most `octets`
    /// in all. Answers whether that was everything, whole; if not, ``tooManyParts`` is to be reported.
    public func eachPart<Failure: Error>(
        most: Int, octets: Int, _ scan: ([UInt8]) throws(Failure) -> Void
    ) throws(Failure) -> Bool {
        var (left, room, isAll) = (most, octets, true)
        func give(_ content: [UInt8], cut: Bool = false) throws(Failure) {
            guard !content.isEmpty else { return }
            guard left > 0, room > 0 else {
                isAll = false
                return
            }
            if cut { isAll = false }
            (left, room) = (left - 1, room - content.count)
            try scan(content)
        }
        for part in structure.leaves where isAll {
            let isPlain = part.encoding.isIdentity && (part.parent == nil || part.contentType.type == "text")
            guard !isPlain else { continue }
            let beginning = part.contentType.isMessage ? Self.beginning.array : []
            // One octet more than there is room for tells that there are more.
            let content = part.decoded(from: message.body, limit: max(room, 0) + 1)
            try give(beginning + content.prefix(max(room, 1)), cut: content.count > room)
        }
        // More parts than are taken apart lie in no leaf.
        if structure.defects.contains(.tooManyParts) || structure.defects.contains(.tooDeep) { isAll = false }
        guard !structure.defects.isDisjoint(with: Self.doubts) else { return isAll }
        for run in Base64Runs.all(in: message.body, most: max(left, 0) + 1) { try give(run) }
        return isAll
    }

    /// Defects with which nobody knows where a part begins or how it is encoded.
    private static let doubts: Set<MIMEDefect> = [
        .duplicateField, .duplicateParameter, .tooManyParameters, .malformedField, .missingBoundary, .overlongBoundary,
        .reusedBoundary, .noParts, .encodedComposite, .unknownEncoding, .missingEmptyLine, .endsInHeader, .tooDeep,
        .tooManyParts,
    ]
}

/// Lines that can be base64, wherever they stand.
private enum Base64Runs {
    /// What runs of such lines mean, from the top.
    static func all(in body: Bytes, most: Int) -> [[UInt8]] {
        var found: [[UInt8]] = []
        body.withUnsafeBytes { octets in
            var run: Range<Int>?
            var start = 0
            while start < octets.count, found.count < most {
                let end = octets[start...].firstIndex(of: 0x0A).map { $0 + 1 } ?? octets.count
                let line = UnsafeRawBufferPointer(rebasing: octets[start..<end])
                if isBase64(line) {
                    run = (run?.lowerBound ?? start)..<end
                } else {
                    if let run { add(UnsafeRawBufferPointer(rebasing: octets[run]), to: &found) }
                    run = nil
                }
                start = end
            }
            if let run, found.count < most { add(UnsafeRawBufferPointer(rebasing: octets[run]), to: &found) }
        }
        return found
    }

    private static func isBase64(_ line: UnsafeRawBufferPointer) -> Bool {
        let text = line.prefix { $0 != 0x0D && $0 != 0x0A }
        return !text.isEmpty
            && text.allSatisfy { octet in
                octet.isLetter || octet.isDigit || octet == UInt8(ascii: "+") || octet == UInt8(ascii: "/")
                    || octet == UInt8(ascii: "=")
            }
    }

    private static func add(_ run: UnsafeRawBufferPointer, to found: inout [[UInt8]]) {
        guard run.count >= ScannedMail.shortestRun else { return }
        var decoder = Base64Decoder()
        var content: [UInt8] = []
        decoder.decode(run, into: &content)
        decoder.finish(into: &content)
        found.append(content)
    }
}
