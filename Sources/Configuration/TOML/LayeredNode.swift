/// A value with others below it that show through where it says nothing: a domain's table over everybody's.
struct LayeredNode {
    let top: TOMLNode
    /// Tables, the nearest first; empty where ``top`` is no table.
    let below: [TOMLNode]

    init(_ top: TOMLNode, below: [TOMLNode] = []) {
        self.top = top
        self.below = below
    }

    private var layers: [TOMLNode] { [top] + below }

    func child(_ key: String) -> LayeredNode? {
        var found: [TOMLNode] = []
        for layer in layers {
            guard let value = layer.table?[key] else { continue }
            if value.table == nil {
                if found.isEmpty { found.append(value) }
                break
            }
            found.append(value)
        }
        return found.first.map { LayeredNode($0, below: Array(found.dropFirst())) }
    }

    func child(_ path: TOMLPath) -> LayeredNode? {
        path.reduce(self) { $0?.child($1) }
    }

    func child(_ step: TOMLStep) -> LayeredNode? {
        switch step {
        case .key(let key): child(key)
        case .index: top[[step]].map { LayeredNode($0) }
        }
    }

    /// All keys, each once, those of the top first.
    var keys: [String] {
        var seen: Set<String> = []
        return layers.flatMap { $0.table?.entries.map(\.key) ?? [] }.filter { seen.insert($0).inserted }
    }

    /// The place of the value at `path`, or of the nearest value around it that exists.
    func location(of path: TOMLPath) -> SourceLocation {
        var node = self
        for step in path {
            guard let next = node.child(step) else { break }
            node = next
        }
        return node.top.location
    }
}
