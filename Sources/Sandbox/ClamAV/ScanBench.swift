import MailTypes
import Pipeline

/// Scans messages: as a whole, as the library takes them apart, and each part as our own reading has it.
final class ScanBench: Bench {
    private let library: ClamAVLibrary
    private let options: ScannerOptions

    init(_ library: ClamAVLibrary, _ options: ScannerOptions) {
        self.library = library
        self.options = options
    }

    func begin(_ job: UInt32, _ order: JobOrder, _ material: JobMaterial?) -> WorkerReply {
        guard case .scan = order, case .message(let message) = material else {
            return .failed(job: job, reason: "this is a scanner")
        }
        do throws(JobFailure) { return .done(job: job, .scan(try scan(message))) } catch {
            return .failed(job: job, reason: error.reason)
        }
    }

    func resume(_ job: UInt32, _ answers: [LookUpAnswer]) -> WorkerReply { drop(job) }
    func drop(_ job: UInt32) -> WorkerReply { .failed(job: job, reason: "nobody has asked that") }

    func scan(_ message: Message) throws(JobFailure) -> [String] {
        let mail = ScannedMail(message)
        var whole: [UInt8] = []
        whole.reserveCapacity(message.size + 100)
        for piece in mail.whole { piece.withUnsafeBytes { whole.append(contentsOf: $0) } }
        var names = try scan(whole)
        let isAll = try mail.eachPart(most: options.maxFiles, octets: options.maxScanSize.octets) {
            octets throws(JobFailure) in
            for name in try scan(octets) where !names.contains(name) { names.append(name) }
        }
        if !isAll, !names.contains(ScannedMail.tooManyParts) { names.append(ScannedMail.tooManyParts) }
        return names
    }

    private func scan(_ octets: [UInt8]) throws(JobFailure) -> [String] {
        // Typed throws and closures of the standard library do not go together yet.
        let result = octets.withUnsafeBytes { raw -> Result<[String], JobFailure> in
            do throws(JobFailure) { return .success(try library.scan(raw)) } catch { return .failure(error) }
        }
        return try result.get()
    }
}
