/// A run of octets that many may read and nobody changes: in memory, or mapped from a file.
///
/// Slices share the storage, so a message of 50 MB that lies in a file costs a few pages however
/// often its parts are handed on.
public struct Bytes: Sendable {
    private enum Storage: Sendable {
        case array([UInt8])
        case mapped(MappedFile)
    }

    private let storage: Storage
    private let range: Range<Int>

    public static let empty = Bytes([])

    public init(_ octets: [UInt8]) {
        storage = .array(octets)
        range = 0..<octets.count
    }

    public init(_ file: MappedFile) {
        storage = .mapped(file)
        range = 0..<file.count
    }

    private init(storage: Storage, range: Range<Int>) {
        self.storage = storage
        self.range = range
    }

    public var count: Int { range.count }
    public var isEmpty: Bool { range.isEmpty }

    /// The octets, for the time of the call only.
    public func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        switch storage {
        case .array(let octets):
            let whole = octets.span
            return try whole.bytes.withUnsafeBytes { (all) throws(Failure) in
                try body(UnsafeRawBufferPointer(rebasing: all[range]))
            }
        case .mapped(let file):
            return try file.withUnsafeBytes { (all) throws(Failure) in
                try body(UnsafeRawBufferPointer(rebasing: all[range]))
            }
        }
    }

    /// The part of these octets that `bounds`, counted from their own beginning, names; what lies
    /// outside is left away.
    public subscript(_ bounds: Range<Int>) -> Bytes {
        let wanted = bounds.clamped(to: 0..<count)
        return Bytes(
            storage: storage, range: range.lowerBound + wanted.lowerBound..<range.lowerBound + wanted.upperBound)
    }

    /// A copy of the octets.
    public var array: [UInt8] { withUnsafeBytes { Array($0) } }
}

extension Bytes: Hashable {
    public static func == (left: Self, right: Self) -> Bool {
        left.count == right.count && left.withUnsafeBytes { a in right.withUnsafeBytes { b in a.elementsEqual(b) } }
    }

    public func hash(into hasher: inout Hasher) { withUnsafeBytes { hasher.combine(bytes: $0) } }
}

extension Bytes: ExpressibleByStringLiteral {
    /// For samples written in our own source.
    public init(stringLiteral value: String) { self.init(Array(value.utf8)) }
}
