/// Work that takes turns: each piece begins when the one before it has ended, however often that waits.
public actor OneByOne {
    private var last: Task<Void, Never>?

    public init() {}

    /// Does `work` when all that came before is done.
    public func run<Value: Sendable, Failure: Error>(
        _ work: @escaping @Sendable () async throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        let before = last
        let turn = Task { () async -> Result<Value, Failure> in
            await before?.value
            do throws(Failure) { return .success(try await work()) } catch { return .failure(error) }
        }
        last = Task { _ = await turn.value }
        return try await turn.value.get()
    }
}
