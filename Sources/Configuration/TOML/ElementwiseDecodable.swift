/// A collection whose elements are decoded one by one, all of them, so that each wrong one is noted.
protocol ElementwiseDecodable {
    init(elementsOf decoder: NodeDecoder) throws
}

/// Is a list in the file.
protocol ListDecodable {}
extension Array: ListDecodable {}

extension Array: ElementwiseDecodable where Element: Decodable {
    init(elementsOf decoder: NodeDecoder) throws {
        guard let nodes = decoder.node.top.array else { throw decoder.mismatch([Element].self, "a list") }
        var elements: [Element] = []
        var failure: (any Error)?
        for index in nodes.indices {
            do { elements.append(try decoder.child(.index(index), as: Element.self)) } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
        self = elements
    }
}

extension Set: ElementwiseDecodable where Element: Decodable {
    init(elementsOf decoder: NodeDecoder) throws { self.init(try [Element](elementsOf: decoder)) }
}

extension Dictionary: ElementwiseDecodable where Key == String, Value: Decodable {
    init(elementsOf decoder: NodeDecoder) throws {
        let container = try decoder.container(keyedBy: TOMLKey.self)
        var values: [String: Value] = [:]
        var failure: (any Error)?
        for key in container.allKeys {
            do { values[key.stringValue] = try container.decode(Value.self, forKey: key) } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
        self = values
    }
}
