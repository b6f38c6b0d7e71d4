/// The way from a tree's root to a value: `["listener", 0, "bind"]`.
public typealias TOMLPath = [TOMLStep]

/// A key of a table, or a place in a list.
public enum TOMLStep: Sendable, Hashable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
    case key(String)
    case index(Int)

    public init(stringLiteral value: String) { self = .key(value) }
    public init(integerLiteral value: Int) { self = .index(value) }

    init(_ key: any CodingKey) {
        self = key.intValue.map { .index($0) } ?? .key(key.stringValue)
    }

    var key: String? { if case .key(let key) = self { key } else { nil } }
}

extension TOMLNode {
    /// The value at `path` below this one.
    public subscript(path: TOMLPath) -> TOMLNode? {
        var node = self
        for step in path {
            let next: TOMLNode? =
                switch step {
                case .key(let key): node.table?[key]
                case .index(let index): node.array.flatMap { $0.indices.contains(index) ? $0[index] : nil }
                }
            guard let next else { return nil }
            node = next
        }
        return node
    }

    /// The place of the value at `path`, or of the nearest value around it that exists.
    public func location(of path: TOMLPath) -> SourceLocation {
        var path = path
        while !path.isEmpty {
            if let node = self[path] { return node.location }
            path.removeLast()
        }
        return location
    }
}

/// A key of our own making: any word, or a place in a list.
struct TOMLKey: CodingKey {
    let stringValue: String
    let intValue: Int?

    init(stringValue: String) {
        self.stringValue = stringValue
        intValue = nil
    }

    init(intValue: Int) {
        stringValue = String(intValue)
        self.intValue = intValue
    }

    init(_ step: TOMLStep) {
        switch step {
        case .key(let key): self.init(stringValue: key)
        case .index(let index): self.init(intValue: index)
        }
    }
}
