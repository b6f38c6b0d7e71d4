import Foundation

/// Reads UCL from the left to the right.
struct RspamdReader {
    private enum Token: Equatable {
        case word(String)
        case mark(Character)
        case end
    }

    private var rest: Substring
    private var line = 1
    private let file: String
    private var depth = 0

    /// Objects and lists inside one another.
    private static let deepest = 20

    init(_ text: String, file: String) {
        rest = text[...]
        self.file = file
    }

    /// `name = value;`, `name value`, `name { … }`, up to the closing brace.
    mutating func object(isRoot: Bool = false) throws -> [String: RspamdConfiguration.Value] {
        var object: [String: RspamdConfiguration.Value] = [:]
        while true {
            switch try next() {
            case .end where isRoot: return object
            case .mark("}") where !isRoot: return object
            case .mark(";"), .mark(","): continue
            case .word(let name):
                guard !name.hasPrefix(".") else {
                    throw failure("\(name) is not followed; name the keys' files instead")
                }
                guard object.updateValue(try value(), forKey: name) == nil else {
                    throw failure("\(name) stands here twice")
                }
            case .mark, .end: throw failure("a name was expected")
            }
        }
    }

    private mutating func value() throws -> RspamdConfiguration.Value {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.deepest else { throw failure("this is too deep") }
        switch try next() {
        case .mark("="), .mark(":"): return try value()
        case .mark("{"): return .object(try object())
        case .mark("["): return .list(try list())
        case .word(let text):
            // `domain example.org { … }` is an object within one.
            var ahead = self
            guard try ahead.next() == .mark("{") else { return .text(text) }
            self = ahead
            return .object([text: .object(try object())])
        case .mark, .end: throw failure("a value was expected")
        }
    }

    private mutating func list() throws -> [RspamdConfiguration.Value] {
        var list: [RspamdConfiguration.Value] = []
        while true {
            var ahead = self
            switch try ahead.next() {
            case .mark("]"):
                self = ahead
                return list
            case .mark(","), .mark(";"): self = ahead
            case .mark("{"), .mark("["), .word: list.append(try value())
            case .mark, .end: throw failure("a list was expected to go on")
            }
        }
    }

    private mutating func next() throws -> Token {
        while let first = rest.first {
            if first.isNewline { line += 1 }
            if first.isWhitespace {
                rest = rest.dropFirst()
            } else if first == "#" {
                rest = rest.drop { !$0.isNewline }
            } else if rest.hasPrefix("/*") || rest.hasPrefix("<<") {
                throw failure("this way of writing is not read here")
            } else {
                return try token(first)
            }
        }
        return .end
    }

    private mutating func token(_ first: Character) throws -> Token {
        if "{}[]=:;,".contains(first) {
            rest = rest.dropFirst()
            return .mark(first)
        }
        if first == "\"" || first == "'" {
            let inner = rest.dropFirst()
            guard let end = inner.firstIndex(of: first), !inner[..<end].contains(where: { $0 == "\\" || $0.isNewline })
            else { throw failure("this string is not read here") }
            rest = inner[inner.index(after: end)...]
            return .word(String(inner[..<end]))
        }
        let word = rest.prefix { !$0.isWhitespace && !"{}[]=;,\"#".contains($0) }
        rest = rest[word.endIndex...]
        // `name: value`; a word with a colon inside is a word.
        guard word.hasSuffix(":"), word.count > 1 else { return .word(String(word)) }
        rest = rest.base[rest.base.index(before: word.endIndex)...]
        return .word(String(word.dropLast()))
    }

    private func failure(_ reason: String) -> CommandFailure { .wrong("\(file):\(line): \(reason).") }
}
