import NIOPosix
public import Pipeline
import Protocols
import Synchronization

/// Speaks with milters: one conversation with each of them for each session of a client.
///
/// A conversation lasts as long as its session, and the milter hears each step when it comes. It can be taken up anew
/// at any time, from the beginning, for a question says all that was said before: so the connections to one milter are
/// bounded, and where there are enough the one that has been idle longest is closed.
public final class Milters: Sendable {
    let desk = MilterDesk()

    public init() {}

    /// - Throws: The milter cannot be reached, hangs, or says what it may not.
    public func answer(_ question: MilterQuestion) async throws(StageFailure) -> MilterReport {
        guard let order = question.order else { throw StageFailure("what is to be said is not at hand") }
        let limits = order.limits
        let conversation = order.resources.resource("milter \(order.milter) \(limits.name)") {
            MilterConversation(with: order.milter, limits, at: desk)
        }
        let answer = try await conversation.answer(MilterStory(question, order), in: order.id)
        return MilterReport(answer)
    }
}

extension MilterQuestion.Limits {
    /// Who is asked under other limits is spoken with anew.
    fileprivate var name: String {
        "\(permissions.map(\.rawValue).sorted()) \(replyTimeout) \(largestBody) \(mostConnections)"
    }
}

/// The connections to milters, of all sessions together.
final class MilterDesk: Sendable {
    private struct Place {
        let connection: MilterConnection
        var isBusy: Bool
        var lastUse: ContinuousClock.Instant
    }

    private let places = Mutex<[ScannerAddress: [ObjectIdentifier: Place]]>([:])

    /// How many connections to a milter there are.
    func count(to milter: ScannerAddress) -> Int { places.withLock { $0[milter]?.count ?? 0 } }

    /// A connection that is about to come about, in the place of an idle one if need be.
    func enter(_ connection: MilterConnection, to milter: ScannerAddress, most: Int) throws(StageFailure) {
        let (isRoom, evicted) = places.withLock { places -> (Bool, MilterConnection?) in
            var there = places[milter] ?? [:]
            var evicted: MilterConnection?
            if there.count >= most {
                let idle = there.filter { !$0.value.isBusy }.min { $0.value.lastUse < $1.value.lastUse }
                guard let idle else { return (false, nil) }
                evicted = there.removeValue(forKey: idle.key)?.connection
            }
            there[ObjectIdentifier(connection)] = Place(connection: connection, isBusy: true, lastUse: .now)
            places[milter] = there
            return (true, evicted)
        }
        evicted?.close()
        guard isRoom else { throw StageFailure("all \(most) connections to it are in use") }
    }

    /// Whether the connection may be used: another may have got its place.
    func use(_ connection: MilterConnection, to milter: ScannerAddress) -> Bool {
        mark(connection, milter, isBusy: true)
    }

    func rest(_ connection: MilterConnection, to milter: ScannerAddress) {
        _ = mark(connection, milter, isBusy: false)
    }

    func leave(_ connection: MilterConnection, to milter: ScannerAddress) {
        places.withLock { places in
            places[milter]?[ObjectIdentifier(connection)] = nil
            if places[milter]?.isEmpty == true { places[milter] = nil }
        }
    }

    private func mark(_ connection: MilterConnection, _ milter: ScannerAddress, isBusy: Bool) -> Bool {
        places.withLock { places in
            guard var place = places[milter]?[ObjectIdentifier(connection)] else { return false }
            place.isBusy = isBusy
            place.lastUse = .now
            places[milter]?[ObjectIdentifier(connection)] = place
            return true
        }
    }
}
