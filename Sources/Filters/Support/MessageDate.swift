import MailTypes
import struct Foundation.Date

/// The date of a header field. RFC 5322 §3.3.
///
/// Reckoned by arithmetic on days and not with a calendar object: it is asked for with every message.
enum MessageDate {
    /// In universal time: `Sat, 21 Nov 2026 03:00:00 +0000`.
    static func text(_ date: Date) -> String {
        let seconds = Int(min(max(date.timeIntervalSince1970, earliest), latest).rounded(.down))
        let day = Int((Double(seconds) / 86_400).rounded(.down))
        let time = seconds - day * 86_400
        let (year, month, dayOfMonth) = civil(fromDays: day)
        // 1 January 1970 was a Thursday.
        let weekday = weekdays[((day % 7) + 11) % 7]
        let clock = "\(two(time / 3600)):\(two(time / 60 % 60)):\(two(time % 60))"
        return "\(weekday), \(dayOfMonth) \(months[month - 1]) \(four(year)) \(clock) +0000"
    }

    /// The year 1900, which is the first that the grammar allows, and the end of 9999.
    private static let earliest = -2_208_988_800.0
    private static let latest = 253_402_300_799.0

    static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// Year, month and day of the Gregorian calendar; years are counted from March, so that the leap
    /// day is the last of its year.
    private static func civil(fromDays days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    private static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    private static func four(_ number: Int) -> String {
        String(repeating: "0", count: max(0, 4 - "\(number)".count)) + "\(number)"
    }
}

// MARK: - Reading

extension MessageDate {
    /// Whether `value` is a date, in today's grammar or the old one. RFC 5322 §3.3 and §4.3.
    // date-time = [ day-name "," ] day month year hour ":" minute [ ":" second ] zone
    static func isReadable(_ value: some Collection<UInt8>) -> Bool {
        var words = Words(value)
        var word = words.next()
        if let first = word, isOne(first, of: weekdays) {
            word = words.next()
            if word == [comma] { word = words.next() }
        }
        guard let day = number(word, digits: 1...2), (1...31).contains(day) else { return false }
        guard let month = words.next(), isOne(month, of: months) else { return false }
        guard let year = number(words.next(), digits: 2...4), year < 100 || year >= 1900 || year < 1000 else {
            return false
        }
        guard let hour = number(words.next(), digits: 1...2), hour < 24 else { return false }
        guard words.next() == [colon], let minute = number(words.next(), digits: 2...2), minute < 60 else { return false }
        word = words.next()
        if word == [colon] {
            // A leap second is one.
            guard let second = number(words.next(), digits: 2...2), second <= 60 else { return false }
            word = words.next()
        }
        guard let zone = word, isZone(zone, &words) else { return false }
        return words.next() == nil
    }

    private static let comma = UInt8(ascii: ",")
    private static let colon = UInt8(ascii: ":")

    /// Words and the dividers between them.
    private struct Words {
        var lexer: FieldLexer
        init(_ octets: some Collection<UInt8>) { lexer = FieldLexer(octets) }

        mutating func next() -> [UInt8]? {
            switch lexer.next() {
            case .atom(let atom)?: atom
            case .special(let octet)?: [octet]
            case .quoted?, .literal?, .broken?: []
            case nil: nil
            }
        }
    }

    // zone = ( "+" / "-" ) 4DIGIT / obs-zone
    private static func isZone(_ word: [UInt8], _ words: inout Words) -> Bool {
        if let sign = word.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") {
            guard let offset = number(Array(word.dropFirst()), digits: 4...4) else { return false }
            return offset % 100 < 60
        }
        return (1...5).contains(word.count) && word.allSatisfy(\.isLetter)
    }

    private static func isOne(_ word: [UInt8], of names: [String]) -> Bool {
        names.contains { word.equalsIgnoringCase($0.utf8) }
    }

    private static func number(_ word: [UInt8]?, digits: ClosedRange<Int>) -> Int? {
        guard let word, digits.contains(word.count), word.allSatisfy(\.isDigit) else { return nil }
        return word.reduce(0) { $0 * 10 + Int($1 &- 0x30) }
    }
}
