import MailTypes
import Pipeline
import Scoring

/// Writes the parts of a packet. Integers are big-endian.
struct PacketWriter {
    private(set) var octets: [UInt8] = []

    mutating func put(_ value: some FixedWidthInteger & UnsignedInteger) {
        withUnsafeBytes(of: value.bigEndian) { octets += $0 }
    }

    mutating func put(_ octets: [UInt8], most: Int) {
        let part = octets.prefix(most)
        put(UInt16(clamping: part.count))
        self.octets += part
    }

    /// Visible ASCII and spaces; anything else becomes `?`, so that the reader need not doubt.
    mutating func put(_ text: String) {
        put(text.utf8.map { PacketReader.isPlain($0) ? $0 : UInt8(ascii: "?") }, most: PacketLimits.text)
    }

    /// Octets of strangers', which a library of C is to take up to their NUL.
    mutating func put(foreign text: String) {
        var octets = Array(text.utf8.prefix(PacketLimits.text))
        // Not through the middle of a character.
        while octets.count < text.utf8.count, String(validating: octets, as: UTF8.self) == nil { octets.removeLast() }
        put(octets.map { $0 == 0 ? UInt8(ascii: "?") : $0 }, most: PacketLimits.text)
    }

    mutating func put(_ order: JobOrder) {
        put(order.kind.rawValue)
        switch order {
        case .signatures(let size, let most):
            put(UInt64(clamping: size))
            put(UInt8(clamping: most))
        case .scan(let size): put(UInt64(clamping: size))
        case .senderPolicy(let question):
            put(question.client.octets, most: 16)
            for text in [question.hello, question.localPart, question.domain, question.receiver] { put(foreign: text) }
            put(UInt8(clamping: question.maxLookups))
            put(UInt8(clamping: question.maxVoidLookups))
        case .patternImage(let number, let size):
            put(number)
            put(UInt64(clamping: size))
        case .patterns(let image, .here(let texts)):
            put(image)
            put(UInt8(0))
            put(UInt32(clamping: texts.count))
            octets += texts
        case .patterns(let image, .file(let size)):
            put(image)
            put(UInt8(1))
            put(UInt64(clamping: size))
        }
    }

    mutating func put(_ report: JobReport) {
        put(report.kind.rawValue)
        switch report {
        case .signatures(let reports): put(reports, most: PacketLimits.reports) { $0.put($1) }
        case .scan(let names): put(names, most: ScanReport.mostFindings) { $0.put($1) }
        case .senderPolicy(let report):
            put(report.result.rawValue)
            put(report.reason ?? "")
            put(report.explanation ?? "")
        case .patternImage(let number): put(number)
        case .patterns(let hits):
            let part = hits.prefix(PacketLimits.hits)
            put(UInt16(clamping: part.count))
            for hit in part { put(hit) }
        }
    }

    private mutating func put(_ hit: PatternHit) {
        put(UInt16(clamping: hit.pattern))
        put(UInt16(clamping: hit.count))
        put(UInt16(clamping: hit.text))
        put(UInt32(clamping: hit.range.lowerBound))
        put(UInt32(clamping: hit.range.upperBound))
    }

    mutating func put<Element>(
        _ elements: [Element], most: Int, _ each: (inout PacketWriter, Element) -> Void
    ) {
        let part = elements.prefix(most)
        put(UInt8(clamping: part.count))
        for element in part { each(&self, element) }
    }

    mutating func put(_ answer: LookUpAnswer) {
        switch answer {
        case .records(let records):
            put(UInt8(0))
            put(records, most: PacketLimits.records) { $0.put($1, most: PacketLimits.record) }
        case .nothing: put(UInt8(1))
        case .failed: put(UInt8(2))
        }
    }

    mutating func put(_ report: SignatureReport) {
        for text in [report.domain, report.selector, report.algorithm, report.identity, report.signature] { put(text) }
        put(UInt32(clamping: report.keyBits))
        put(UInt8(report.bodyLength == nil ? 0 : 1))
        if let length = report.bodyLength {
            put(UInt64(clamping: length.signed))
            put(UInt64(clamping: length.whole))
        }
        put(UInt16(clamping: report.uncoveredFroms))
        put(UInt8(report.isTest ? 1 : 0))
        put(report.fault?.rawValue ?? "")
        put(report.reason ?? "")
    }
}
