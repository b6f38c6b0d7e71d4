import NIOPosix
import Pipeline
import Protocols
import Synchronization

/// One session's conversation with one milter. A session asks one question at a time.
final class MilterConversation: SessionResource {
    private struct State {
        var connection: MilterConnection?
        /// The milter wants to hear no more of the session.
        var settled: MilterAnswer?
        /// The transaction in which it has failed: it is not waited for again there.
        var failed: (id: String, failure: StageFailure)?
        var hasEnded = false
    }

    private let milter: ScannerAddress
    private let limits: MilterQuestion.Limits
    private let desk: MilterDesk
    private let state = Mutex(State())

    init(with milter: ScannerAddress, _ limits: MilterQuestion.Limits, at desk: MilterDesk) {
        self.milter = milter
        self.limits = limits
        self.desk = desk
    }

    /// - Parameter id: The transaction's, or the connection's before there is one.
    func answer(_ story: MilterStory, in id: String) async throws(StageFailure) -> MilterAnswer {
        let (settled, failed) = state.withLock { ($0.settled, $0.failed) }
        if let settled { return settled }
        if let failed, failed.id == id {
            let failure = failed.failure
            throw StageFailure("\(milter): has failed before: \(failure.reason)", timedOut: failure.timedOut)
        }
        do throws(StageFailure) { return try await tell(story) } catch {
            state.withLock { $0.failed = (id, error) }
            throw StageFailure("\(milter): \(error.reason)", timedOut: error.timedOut)
        }
    }

    func sessionEnded() {
        let connection = state.withLock { state in
            state.hasEnded = true
            return state.connection.take()
        }
        if let connection { drop(connection) }
    }

    private func tell(_ story: MilterStory) async throws(StageFailure) -> MilterAnswer {
        if let known = state.withLock({ $0.connection }), desk.use(known, to: milter) {
            do throws(StageFailure) { return try await tell(story, over: known) } catch {
                // While nobody spoke it may have gone, as a milter does that is started anew.
                guard known.hasHungUp, !Task.isCancelled else { throw error }
            }
        }
        return try await tell(story, over: try await connect())
    }

    private func connect() async throws(StageFailure) -> MilterConnection {
        let connection = MilterConnection(to: milter, limits)
        try desk.enter(connection, to: milter, most: limits.mostConnections)
        state.withLock { $0.connection = connection }
        do throws(StageFailure) { try await connection.open(on: MultiThreadedEventLoopGroup.singleton) } catch {
            forget(connection)
            throw error
        }
        return connection
    }

    private func tell(
        _ story: MilterStory, over connection: MilterConnection
    ) async throws(StageFailure) -> MilterAnswer {
        do throws(StageFailure) {
            let (answer, isSettled) = try await connection.answer(to: story)
            let isOver = state.withLock { state in
                if isSettled { state.settled = answer }
                return isSettled || state.hasEnded
            }
            if isOver { forget(connection) } else { desk.rest(connection, to: milter) }
            return answer
        } catch {
            forget(connection)
            throw error
        }
    }

    private func forget(_ connection: MilterConnection) {
        state.withLock { state in if state.connection === connection { state.connection = nil } }
        drop(connection)
    }

    private func drop(_ connection: MilterConnection) {
        desk.leave(connection, to: milter)
        connection.close()
    }
}
