import Synchronization
import Testing

@testable import Pipeline

@Suite struct DeadlineWatchTests {
    @Test func `whose time has come is called, each once`() async {
        let watch = DeadlineWatch()
        await withTaskGroup(of: Void.self) { group in
            for delay in [-1000, 0, 1, 45] {
                group.addTask {
                    await withCheckedContinuation { continuation in
                        // A second call would end the process.
                        _ = watch.call(at: .now + .milliseconds(delay)) { continuation.resume() }
                    }
                }
            }
        }
        #expect(watch.count == 0)
    }

    @Test func `what is cancelled is forgotten at once`() async {
        let watch = DeadlineWatch()
        let isCalled = Atomic(false)
        let soon = watch.call(at: .now + .milliseconds(1)) { isCalled.store(true, ordering: .relaxed) }
        let never = watch.call(at: .now + .seconds(3600)) { isCalled.store(true, ordering: .relaxed) }
        #expect(watch.count == 2)
        watch.cancel(soon)
        watch.cancel(never)
        #expect(watch.count == 0)
        await withCheckedContinuation { continuation in
            _ = watch.call(at: .now + .milliseconds(60)) { continuation.resume() }
        }
        let wasCalled = isCalled.load(ordering: .relaxed)
        #expect(!wasCalled)
    }

    @Test func `it goes on after it had nothing to do`() async {
        let watch = DeadlineWatch()
        for _ in 0..<3 {
            await withCheckedContinuation { continuation in
                _ = watch.call(at: .now) { continuation.resume() }
            }
        }
        #expect(watch.count == 0)
    }

    @Test func `a deadline beyond all counting is only late`() {
        let watch = DeadlineWatch()
        watch.cancel(watch.call(at: .now + .seconds(1 << 60)) {})
        #expect(watch.count == 0)
    }
}
