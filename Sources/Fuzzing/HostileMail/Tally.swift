import Foundation
import Glibc
import Synchronization

/// What came out of a run.
final class Tally: Sendable {
    private struct State {
        var counts: [String: Int] = [:]
        var violations: [String: Int] = [:]
        var messages = 0
        var time = Duration.zero
        var longest = Duration.zero
        var hardest = Duration.zero
    }

    private let state = Mutex(State())
    private let start = ContinuousClock.now

    /// Different violations that are told.
    private static let most = 50

    func count(_ what: String) { state.withLock { $0.counts[what, default: 0] += 1 } }

    func violation(_ what: String) {
        state.withLock { state in
            guard state.violations[what] != nil || state.violations.count < Self.most else { return }
            state.violations[what, default: 0] += 1
        }
    }

    /// `work`: what was computed meanwhile, for others, too.
    func took(_ time: Duration, _ work: Duration) {
        state.withLock { state in
            state.messages += 1
            state.time += time
            state.longest = max(state.longest, time)
            state.hardest = max(state.hardest, work)
        }
    }

    var isClean: Bool { state.withLock { $0.violations.isEmpty } }

    /// So many messages are done; the memory that this process and the workers take now.
    func progress(_ number: Int, _ processes: [Int]) {
        let sizes = ([Int(getpid())] + processes).map { "\(Self.residentSize(of: $0) / 1024) KiB" }
        print("\(number) messages, \(ContinuousClock.now - start): \(sizes.joined(separator: ", "))")
        fflush(nil)
    }

    /// In octets. proc(5), /proc/pid/statm.
    private static func residentSize(of process: Int) -> Int {
        let text = (try? String(contentsOfFile: "/proc/\(process)/statm", encoding: .utf8)) ?? ""
        let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return pages * sysconf(CInt(_SC_PAGESIZE))
    }

    func report() {
        let state = state.withLock { $0 }
        for (what, count) in state.counts.sorted(by: { $0.key < $1.key }) { print("\(what): \(count)") }
        let wall = ContinuousClock.now - start
        print("\(state.messages) messages in \(wall); the longest \(state.longest), in which \(state.hardest) at most")
        print("was computed for all of them together")
        for (what, count) in state.violations.sorted(by: { $0.key < $1.key }) {
            print("VIOLATION, \(count) times: \(what)")
        }
        print(state.violations.isEmpty ? "nothing is wrong" : "\(state.violations.count) things are wrong")
        fflush(nil)
    }
}
