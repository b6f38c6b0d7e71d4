public import Foundation

/// A date as header fields have it: `Fri, 21 Nov 1997 09:55:06 -0600`. RFC 5322 §3.3.
public struct MailDate: Sendable, Hashable {
    public let date: Date
    /// East of Greenwich, in minutes.
    public let offset: Int

    public init(_ date: Date, offset: Int = 0) {
        self.date = date
        self.offset = offset
    }

    /// Reads the body of a Date field, or what stands behind the semicolon of a Received field.
    ///
    /// Obsolete forms too: years of two and three digits, zone names, comments, no seconds. RFC 5322
    /// §4.3. The day of the week is not held against the date.
    public init?(parsing value: ArraySlice<UInt8>) {
        var lexer = FieldLexer(value)
        lexer.skipCFWS()
        let dayName = lexer.run(while: \.isLetter)
        lexer.skipCFWS()
        if !dayName.isEmpty { _ = lexer.skip(",") }
        guard let day = lexer.number(digits: 1...2) else { return nil }
        lexer.skipCFWS()
        // Some senders write hyphens around the month.
        _ = lexer.skip("-")
        let monthName = lexer.run(while: \.isLetter)
        guard let month = Self.months.firstIndex(where: { monthName.prefix(3).equalsIgnoringCase($0.utf8) }),
            let written = lexer.number(digits: 2...4), let hour = lexer.number(digits: 1...2)
        else { return nil }
        lexer.skipCFWS()
        guard lexer.skip(":"), let minute = lexer.number(digits: 1...2) else { return nil }
        lexer.skipCFWS()
        var second = 0
        if lexer.skip(":") {
            guard let read = lexer.number(digits: 1...2) else { return nil }
            second = read
        }
        let year = written < 50 ? written + 2000 : written < 1000 ? written + 1900 : written
        let daysOfMonth = [31, Self.isLeap(year) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        // A second 60 is a leap second.
        guard (1...daysOfMonth[month]).contains(day), hour < 24, minute < 60, second <= 60 else { return nil }
        offset = lexer.zone()
        let days = Self.days(year: year, month: month + 1, day: day)
        let local = ((days * 24 + hour) * 60 + minute) * 60 + second
        date = Date(timeIntervalSince1970: Double(local - offset * 60))
    }

    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    private static let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]

    private static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    /// Days since 1 January 1970 in the Gregorian calendar, counted in years that begin in March, so that the
    /// leap day is the last.
    private static func days(year: Int, month: Int, day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}

extension MailDate: CustomStringConvertible {
    /// As RFC 5322 §3.3 writes it. Years are kept between 1 and 9999.
    public var description: String {
        let limits = Double(Self.days(year: 1, month: 1, day: 1) * 86_400)...253_402_300_799.0
        let wanted = date.timeIntervalSince1970.isNaN ? 0 : date.timeIntervalSince1970
        let clamped = Swift.min(Swift.max(wanted, limits.lowerBound), limits.upperBound)
        let minutes = Swift.min(Swift.max(offset, -1439), 1439)
        let seconds = Int(
            Swift.min(
                Swift.max(clamped.rounded(.down) + Double(minutes * 60), limits.lowerBound),
                limits.upperBound))
        let days = seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400
        let time = seconds - days * 86_400
        let (year, month, day) = Self.civil(days: days)
        return .ascii(atMost: 31) { text in
            for octet in Self.weekdays[((days % 7) + 7) % 7].utf8 { text.put(octet) }
            text.put(", ")
            text.put(day, width: 2)
            text.put(" ")
            for octet in Self.months[month - 1].utf8 { text.put(octet) }
            text.put(" ")
            text.put(year, width: 4)
            text.put(" ")
            text.put(time / 3600, width: 2)
            text.put(":")
            text.put(time / 60 % 60, width: 2)
            text.put(":")
            text.put(time % 60, width: 2)
            text.put(minutes < 0 ? " -" : " +")
            text.put(abs(minutes) / 60, width: 2)
            text.put(abs(minutes) % 60, width: 2)
        }
    }

    private static func civil(days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * marchMonth + 2) / 5 + 1)
    }
}

extension FieldLexer {
    fileprivate mutating func number(digits: ClosedRange<Int>) -> Int? {
        skipCFWS()
        _ = skip("-")
        let octets = run(while: \.isDigit)
        guard digits.contains(octets.count) else { return nil }
        return octets.reduce(0) { $0 * 10 + Int($1 & 0x0F) }
    }

    // zone = ("+" / "-") 4DIGIT / obs-zone; what is unknown is "-0000", as RFC 5322 §4.3 says
    fileprivate mutating func zone() -> Int {
        skipCFWS()
        let isWest = next == UInt8(ascii: "-")
        if skip("+") || skip("-") {
            let digits = run(while: \.isDigit)
            guard digits.count == 4 else { return 0 }
            let number = digits.reduce(0) { $0 * 10 + Int($1 & 0x0F) }
            guard number % 100 < 60, number / 100 < 24 else { return 0 }
            let minutes = number / 100 * 60 + number % 100
            return isWest ? -minutes : minutes
        }
        let name = String(decoding: run(while: \.isLetter).map(\.asciiLowercased), as: UTF8.self)
        let hours = ["est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7]
        return (hours[name] ?? 0) * 60
    }
}
