/// What one check may cost. RFC 7208 §4.6.4.
struct SPFLimits: Sendable, Hashable {
    /// Terms that ask DNS: `include`, `a`, `mx`, `ptr`, `exists`, `redirect`, and `%{p}`.
    var lookups = 10
    /// Answers with nothing in them.
    var voidLookups = 2
    /// Hosts of one `mx`, and names of one `ptr`.
    var names = 10
    /// Octets of all texts of a name with a record; RFC 7208 §3.4 wants less than 512. All are kept with the trace.
    var text = 16 << 10
}
