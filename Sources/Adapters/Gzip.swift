import CZlib

/// Octets in gzip's form, by zlib. RFC 1952.
public enum Gzip {
    /// zlib refused; its code says why.
    public struct Failure: Error, Sendable, Hashable, CustomStringConvertible {
        public let code: Int32
        public var description: String { "zlib: error \(code)" }
    }

    /// Octets of one call.
    static let mostOctets = 1 << 30
    /// The widest window, and 16 for gzip's header in place of zlib's.
    private static let windowBits: Int32 = 15 + 16
    private static let memoryLevel: Int32 = 8

    /// Compresses all of `octets` at once.
    public static func compress(_ octets: [UInt8]) throws(Failure) -> [UInt8] {
        guard octets.count <= mostOctets else { throw Failure(code: Z_BUF_ERROR) }
        var stream = z_stream()
        let begun = deflateInit2_(
            &stream, Z_BEST_COMPRESSION, Z_DEFLATED, windowBits, memoryLevel, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size))
        guard begun == Z_OK else { throw Failure(code: begun) }
        defer { deflateEnd(&stream) }
        var output = [UInt8](repeating: 0, count: Int(deflateBound(&stream, UInt(octets.count))))
        let ended = octets.withUnsafeBufferPointer { input in
            output.withUnsafeMutableBufferPointer { room in
                stream.next_in = input.baseAddress
                stream.avail_in = UInt32(input.count)
                stream.next_out = room.baseAddress
                stream.avail_out = UInt32(room.count)
                return deflate(&stream, Z_FINISH)
            }
        }
        guard ended == Z_STREAM_END else { throw Failure(code: ended) }
        output.removeLast(Int(stream.avail_out))
        return output
    }
}
