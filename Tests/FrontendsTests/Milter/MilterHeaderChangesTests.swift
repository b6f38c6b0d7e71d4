import MailTypes
import Protocols
import SluiceTesting
import Testing

@testable import Frontends

/// What mail servers make of the changes that they are asked for. docs/milter.md, Replies.
@Suite struct MilterHeaderChangesTests {
    /// How servers count.
    enum Custom: CaseIterable {
        /// What was taken out counts on, in places and in numbers: Sendmail.
        case lasting
        /// It does not: Postfix.
        case passing
    }

    /// A header in a server, which has put a field of its own above what it shows.
    struct Server {
        struct Line {
            var name: String
            var value: String?
            var isOwn = false
        }

        let custom: Custom
        var lines: [Line]

        init(_ custom: Custom, _ header: Header) {
            self.custom = custom
            lines = [Line(name: "Received", value: " own", isOwn: true)]
            lines += header.fields.map { Line(name: $0.name, value: Self.value($0)) }
        }

        static func value(_ field: HeaderField) -> String {
            String(decoding: field.rawValue.filter { $0 != .cr }, as: UTF8.self)
        }

        mutating func make(_ change: MilterChange) {
            switch change {
            case .addField(let name, let value): lines.append(Line(name: name, value: value))
            case .insertField(let place, let name, let value):
                lines.insert(Line(name: name, value: value), at: min(Int(place), lines.count))
            case .changeField(let number, let name, let value):
                let places = lines.indices.filter { place in
                    !lines[place].isOwn && lines[place].name.lowercased() == name.lowercased()
                        && (custom == .lasting || lines[place].value != nil)
                }
                guard number >= 1, Int(number) <= places.count else {
                    Issue.record("there is no \(name) \(number)")
                    return
                }
                lines[places[Int(number) - 1]].value = value.isEmpty ? nil : value
            default: Issue.record("\(change) is no change of the header")
            }
            if custom == .passing { lines.removeAll { $0.value == nil } }
        }

        var shown: [String] { lines.compactMap { line in line.value.map { "\(line.name):\($0)" } } }
    }

    static func header(_ fields: [(String, String)]) -> Header {
        Header(fields: fields.map { HeaderField(name: $0.0, foldedValue: " \($0.1)") })
    }

    static func check(_ old: Header, _ new: Header) -> [MilterChange] {
        let changes = MilterHeaderChanges.changes(from: old, to: new)
        let wanted = new.fields.map { "\($0.name):\(Server.value($0))" }
        for custom in Custom.allCases {
            var server = Server(custom, old)
            for change in changes { server.make(change) }
            #expect(server.shown.filter { $0 != "Received: own" } == wanted, "\(custom): \(changes)")
        }
        return changes
    }

    @Test func `trace fields come to the top, above the server's own`() {
        let old = Self.header([("Received", "a"), ("From", "b")])
        let new = Self.header([("X-Top", "1"), ("X-Second", "2"), ("Received", "a"), ("From", "b")])
        let changes = Self.check(old, new)
        #expect(
            changes == [
                .insertField(at: 0, name: "X-Second", value: " 2"), .insertField(at: 0, name: "X-Top", value: " 1"),
            ])
    }

    @Test func `what stays is not touched`() {
        let old = Self.header([("A", "1"), ("B", "2")])
        #expect(Self.check(old, old).isEmpty)
    }

    @Test func `of one name, one goes and one changes`() {
        let old = Self.header([("R", "1"), ("S", "x"), ("R", "2"), ("r", "3"), ("T", "y")])
        let new = Self.header([("R", "1"), ("S", "x"), ("R", "new"), ("T", "y")])
        let changes = Self.check(old, new)
        #expect(
            changes == [
                .changeField(number: 3, name: "r", value: ""), .changeField(number: 2, name: "R", value: " new"),
            ])
        #expect(Self.check(old, Self.header([])).count == 5)
    }

    @Test func `a folded value has LF between its lines`() {
        let old = Self.header([])
        let new = Header(fields: [HeaderField(name: "A", foldedValue: " 1\r\n\t2")])
        #expect(Self.check(old, new) == [.insertField(at: 0, name: "A", value: " 1\n\t2")])
    }

    @Test func `an empty value is no wish to take the field out`() throws {
        let message = try Message(parsing: Bytes(Array("A: 1\r\nB:\r\n\r\n".utf8)))
        let old = Self.header([("A", "1"), ("B", "2")])
        let changes = MilterHeaderChanges.changes(from: old, to: message.header)
        #expect(changes == [.changeField(number: 1, name: "B", value: " ")])
    }

    @Test func `any header becomes any other, however a server counts`() {
        var random = SeededRandom(7)
        for _ in 0..<2000 {
            func fields() -> [(String, String)] {
                (0..<Int.random(in: 0...8, using: &random)).map { _ in
                    let name = ["A", "B", "C"][Int.random(in: 0...2, using: &random)]
                    return (name, "\(Int.random(in: 1...2, using: &random))")
                }
            }
            _ = Self.check(Self.header(fields()), Self.header(fields()))
        }
    }
}
