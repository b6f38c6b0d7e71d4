import Foundation
import MailTypes
import Queue

/// A disk in memory that fails when it is told to, and forgets what was not synced when its power is cut.
///
/// Every file has what processes see and what is durable; a directory's names have both as well. What a test
/// opens after a crash is a new disk made of the old one, so that threads of the dead process hurt nobody.
final class MemoryDisk: FileSystem, @unchecked Sendable {
    /// What goes wrong at the n-th call.
    struct Fault: Sendable, CustomStringConvertible {
        enum Kind: String, Sendable, CaseIterable {
            case noSpace, inputOutput, readOnly, shortWrite
        }
        var call: Int
        var kind: Kind
        /// Every call from then on, not only this one.
        var lasts = false
        /// Only calls of this name; `nil`: all.
        var only: String?
        var description: String { "\(kind) at call \(call)\(lasts ? " and later" : "")" }

        func hits(_ call: String, _ number: Int) -> Bool {
            (number == self.call || lasts && number > self.call) && only ?? call == call
        }
    }

    private final class Node {
        var octets: [UInt8] = []
        var durable: [UInt8] = []
        var writes: [Range<Int>] = []
    }

    private final class Words: SharedMemory, @unchecked Sendable {
        let lock = NSLock()
        var words: [UInt64] = []
        func load(_ index: Int) -> UInt64 { lock.withLock { words[index] } }
        func store(_ word: UInt64, at index: Int) { lock.withLock { words[index] = word } }
    }

    private final class Held: FileLock, @unchecked Sendable {
        let disk: MemoryDisk
        let path: String
        init(_ disk: MemoryDisk, _ path: String) { (self.disk, self.path) = (disk, path) }
        func release() { disk.guarded { _ = disk.locks.removeValue(forKey: path) } }
    }

    private let mutex = NSLock()
    private var names: [String: Node] = [:]
    private var durableNames: [String: Node] = [:]
    private var descriptors: [CInt: Node] = [:]
    private var next: CInt = 3
    private var memory: [String: Words] = [:]
    private var locks: [String: Bool] = [:]
    private var faults: [Fault] = []
    private var called = 0
    private var failed = 0
    private var synced = 0
    private var room = FileSystemSpace(octets: 1 << 40, inodes: 1 << 20)
    /// Runs before each sync, outside the lock.
    private var beforeSync: (@Sendable () -> Void)?

    private func guarded<Result>(_ body: () throws -> Result) rethrows -> Result { try mutex.withLock(body) }
}

// MARK: What tests do to it

extension MemoryDisk {
    /// How many calls have changed something, or tried to.
    var calls: Int { guarded { called } }
    var syncs: Int { guarded { synced } }
    /// How many calls a fault has hit.
    var failures: Int { guarded { failed } }
    var paths: [String] { guarded { names.keys.sorted() } }

    func fail(_ faults: Fault...) { guarded { self.faults = faults } }
    func setSpace(_ space: FileSystemSpace) { guarded { room = space } }
    func onSync(_ body: (@Sendable () -> Void)?) { guarded { beforeSync = body } }

    /// The disk as the next process finds it after `kill -9`.
    func afterKill() -> MemoryDisk {
        copy {
            $0.octets
        } names: {
            $0.names
        }
    }

    /// The disk after the power was cut. `survives` says of each sector that was written and not synced whether it
    /// reached the disk all the same.
    func afterPowerLoss(survives: (Int) -> Bool = { _ in false }) -> MemoryDisk {
        let disk = copy { node in
            let sector = 512
            var octets = node.durable
            for start in stride(from: 0, to: min(node.octets.count, octets.count), by: sector) {
                let range = start..<min(start + sector, octets.count, node.octets.count)
                if node.octets[range] != node.durable[range], survives(start / sector) {
                    octets.replaceSubrange(range, with: node.octets[range])
                }
            }
            return octets
        } names: {
            $0.durableNames
        }
        disk.memory = [:]
        return disk
    }

    private func copy(_ octets: (Node) -> [UInt8], names: (MemoryDisk) -> [String: Node]) -> MemoryDisk {
        let disk = MemoryDisk()
        guarded {
            for (path, node) in names(self) {
                let new = Node()
                new.octets = octets(node)
                new.durable = new.octets
                disk.names[path] = new
            }
            disk.durableNames = disk.names
            for (path, words) in memory {
                let new = Words()
                new.words = words.lock.withLock { words.words }
                disk.memory[path] = new
            }
        }
        return disk
    }

    /// The places that were written of a file, in order.
    func writes(_ path: String) -> [Range<Int>] { guarded { names[path]?.writes ?? [] } }

    func contents(_ path: String) -> [UInt8]? { guarded { names[path]?.octets } }

    func setContents(_ path: String, _ octets: [UInt8]?) {
        guarded {
            guard let octets else {
                names[path] = nil
                durableNames[path] = nil
                return
            }
            let node = names[path] ?? Node()
            (node.octets, node.durable) = (octets, octets)
            names[path] = node
            durableNames[path] = node
        }
    }

    /// Counts a call, and fails it if its time has come. Answers whether it is to be a short one.
    @discardableResult
    private func step(_ call: String, _ path: String? = nil) throws(SystemError) -> Bool {
        called += 1
        guard let fault = faults.first(where: { $0.hits(call, called) }) else { return false }
        failed += 1
        switch fault.kind {
        case .noSpace: throw SystemError(call: call, path: path, code: ENOSPC)
        case .inputOutput: throw SystemError(call: call, path: path, code: EIO)
        case .readOnly: throw SystemError(call: call, path: path, code: EROFS)
        case .shortWrite: return true
        }
    }

    private func node(_ descriptor: CInt) throws(SystemError) -> Node {
        guard let node = descriptors[descriptor] else { throw SystemError(call: "descriptor", code: EBADF) }
        return node
    }

    private func locked<Result>(_ body: () throws(SystemError) -> Result) throws(SystemError) -> Result {
        mutex.lock()
        defer { mutex.unlock() }
        return try body()
    }
}

// MARK: FileSystem

extension MemoryDisk {
    func open(_ path: String, create: Bool, isReadOnly: Bool) throws(SystemError) -> CInt {
        try locked { () throws(SystemError) in
            if create {
                try step("open", path)
                guard names[path] == nil else { throw SystemError(call: "open", path: path, code: EEXIST) }
                names[path] = Node()
            }
            guard let node = names[path] else { throw SystemError(call: "open", path: path, code: ENOENT) }
            next += 1
            descriptors[next] = node
            return next
        }
    }

    func close(_ descriptor: CInt) throws(SystemError) {
        try locked { () throws(SystemError) in descriptors[descriptor] = nil }
    }

    func size(_ descriptor: CInt) throws(SystemError) -> Int {
        try locked { () throws(SystemError) in try node(descriptor).octets.count }
    }

    func write(
        _ descriptor: CInt, _ octets: UnsafeRawBufferPointer, at offset: Int
    ) throws(SystemError) -> Int {
        try locked { () throws(SystemError) in
            let isShort = try step("write")
            let node = try node(descriptor)
            let taken = octets.prefix(isShort ? octets.count / 2 : octets.count)
            let end = offset + taken.count
            if node.octets.count < end { node.octets += [UInt8](repeating: 0, count: end - node.octets.count) }
            node.octets.replaceSubrange(offset..<end, with: taken)
            node.writes.append(offset..<end)
            return taken.count
        }
    }

    func read(
        _ descriptor: CInt, into octets: UnsafeMutableRawBufferPointer, at offset: Int
    ) throws(SystemError) -> Int {
        try locked { () throws(SystemError) in
            let part = try node(descriptor).octets.dropFirst(offset).prefix(octets.count)
            octets.copyBytes(from: part)
            return part.count
        }
    }

    func allocate(_ descriptor: CInt, count: Int) throws(SystemError) {
        try locked { () throws(SystemError) in
            try step("fallocate")
            let node = try node(descriptor)
            if node.octets.count < count { node.octets += [UInt8](repeating: 0, count: count - node.octets.count) }
        }
    }

    func truncate(_ descriptor: CInt, count: Int) throws(SystemError) {
        try locked { () throws(SystemError) in
            try step("ftruncate")
            let node = try node(descriptor)
            node.octets.removeLast(max(node.octets.count - count, 0))
        }
    }

    func synchronize(_ descriptor: CInt) throws(SystemError) {
        guarded { beforeSync }?()
        try locked { () throws(SystemError) in
            synced += 1
            let node = try node(descriptor)
            try step("fdatasync")
            node.durable = node.octets
        }
    }

    func synchronizeDirectory(_ path: String) throws(SystemError) {
        try locked { () throws(SystemError) in
            synced += 1
            try step("fsync", path)
            let prefix = path + "/"
            func isInside(_ name: String) -> Bool {
                name.hasPrefix(prefix) && !name.dropFirst(prefix.count).contains("/")
            }
            for name in durableNames.keys where isInside(name) && names[name] == nil { durableNames[name] = nil }
            for (name, node) in names where isInside(name) { durableNames[name] = node }
        }
    }

    func makeDirectory(_ path: String) throws(SystemError) {}

    func list(_ path: String) throws(SystemError) -> [String] {
        locked0 {
            names.keys.filter { $0.hasPrefix(path + "/") }.map { String($0.dropFirst(path.count + 1)) }
                .filter { !$0.contains("/") }
        }
    }

    private func locked0<Result>(_ body: () -> Result) -> Result { mutex.withLock(body) }

    func rename(_ path: String, to target: String) throws(SystemError) {
        try locked { () throws(SystemError) in
            try step("rename", path)
            guard let node = names.removeValue(forKey: path) else {
                throw SystemError(call: "rename", path: path, code: ENOENT)
            }
            names[target] = node
        }
    }

    func remove(_ path: String) throws(SystemError) {
        try locked { () throws(SystemError) in
            try step("unlink", path)
            guard names.removeValue(forKey: path) != nil else {
                throw SystemError(call: "unlink", path: path, code: ENOENT)
            }
        }
    }

    func map(_ path: String) throws(SystemError) -> Bytes {
        try locked { () throws(SystemError) in
            guard let node = names[path] else { throw SystemError(call: "open", path: path, code: ENOENT) }
            return Bytes(node.octets)
        }
    }

    func space(_ path: String) throws(SystemError) -> FileSystemSpace { locked0 { room } }

    func lock(_ path: String, isShared: Bool) throws(SystemError) -> (any FileLock)? {
        locked0 {
            if let shared = locks[path], !(shared && isShared) { return nil }
            locks[path] = isShared
            return Held(self, path)
        }
    }

    func lockHolder(_ path: String) -> Int? { 4711 }

    func sharedMemory(_ path: String, count: Int) throws(SystemError) -> any SharedMemory {
        locked0 {
            if let words = memory[path] { return words }
            let words = Words()
            words.words = [UInt64](repeating: 0, count: count / 8)
            memory[path] = words
            return words
        }
    }
}
