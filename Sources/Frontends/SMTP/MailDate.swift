import struct Foundation.Date

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A moment as header fields write it: `Sun, 1 Mar 2026 12:00:00 +0000`. RFC 5322 §3.3.
struct MailDate: CustomStringConvertible {
    let date: Date
    init(_ date: Date) { self.date = date }

    var description: String {
        var time = time_t(date.timeIntervalSince1970)
        var parts = tm()
        gmtime_r(&time, &parts)
        func two(_ number: CInt) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let day = Self.days[Int(parts.tm_wday) % 7]
        let month = Self.months[Int(parts.tm_mon) % 12]
        let clock = "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
        return "\(day), \(parts.tm_mday) \(month) \(parts.tm_year + 1900) \(clock) +0000"
    }

    private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
}
