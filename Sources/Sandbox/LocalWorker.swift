import Glibc
import MailTypes

/// The jobs of a worker without its process: `isolation = "none"`. A crash of the library is one of the server's, and
/// nothing ends a job that takes too long.
final class LocalWorker: Worker {
    let process: pid_t = 0
    let trouble: WorkerEnd? = nil
    private let bench: any Bench
    private let outdated: () -> Bool

    init(
        isOutdated: @escaping () -> Bool = { false }, _ bench: () throws(JobFailure) -> any Bench
    ) throws(WorkerStartFailure) {
        outdated = isOutdated
        do throws(JobFailure) { self.bench = try bench() } catch { throw WorkerStartFailure(reason: error.reason) }
    }

    var isOutdated: Bool { outdated() }

    func exchange(
        _ request: WorkerRequest, _ material: JobMaterial?, within limit: Duration
    ) throws(WorkerTrouble) -> WorkerReply {
        switch request {
        case .begin(let job, let order): return bench.begin(job, order, material)
        case .answers(let job, let answers): return bench.resume(job, answers)
        case .drop(let job): return bench.drop(job)
        }
    }

    @discardableResult
    func end(_ reason: WorkerEnd) -> WorkerEnd { reason }
}
