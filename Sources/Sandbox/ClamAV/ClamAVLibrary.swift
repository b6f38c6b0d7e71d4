import CClamAV
import Glibc
import MailTypes
import Pipeline

/// libclamav with an engine of all databases, ready to scan. Any number of threads may: scanning only reads the engine.
///
/// The library is loaded here, not linked: whoever makes none of these has nothing of it in memory.
final class ClamAVLibrary: @unchecked Sendable {
    /// As Debian calls the one whose header this is built with.
    private static let file = "libclamav.so.12"

    private let calls: sluice_clamav
    private let engine: OpaquePointer
    /// `1.4.6`
    let version: String
    /// Signatures in all databases.
    let signatures: Int

    init(_ options: ScannerOptions) throws(JobFailure) {
        var calls = sluice_clamav()
        if let reason = sluice_clamav_load(Self.file, &calls) {
            throw JobFailure(reason: "libclamav cannot be loaded: \(String(cString: reason))")
        }
        guard let initialize = calls.`init`, let make = calls.engine_new, let version = calls.version?() else {
            throw JobFailure(reason: "libclamav has not all of its calls")
        }
        // What it says besides would go to standard error, which is nowhere.
        calls.set_message_callback? { @Sendable _, _, _, _ in }
        guard initialize(UInt32(CL_INIT_DEFAULT)) == CL_SUCCESS, let engine = make() else {
            throw JobFailure(reason: "libclamav could not be started")
        }
        var count: UInt32 = 0
        let failure =
            Self.set(engine, options, calls)
            ?? Self.fault(calls.load?(options.database, engine, &count, sluice_clamav_databases), calls)
            ?? Self.fault(calls.compile?(engine), calls)
        if let failure {
            _ = calls.engine_free?(engine)
            throw JobFailure(reason: "libclamav cannot use \(options.database): \(failure)")
        }
        guard count > 0 else {
            _ = calls.engine_free?(engine)
            throw JobFailure(reason: "there is no virus signature in \(options.database)")
        }
        calls.set_found_callback?(engine) { @Sendable _, name, context in
            guard let name, let context else { return }
            Unmanaged<Findings>.fromOpaque(context).takeUnretainedValue().add(String(cString: name))
        }
        (self.calls, self.engine) = (calls, engine)
        self.version = String(cString: version)
        signatures = Int(count)
    }

    deinit { _ = calls.engine_free?(engine) }

    /// What is wrong with a call's result; a call that the library lacks was told when it was loaded.
    private static func fault(_ code: cl_error_t?, _ calls: sluice_clamav) -> String? {
        guard let code, code != CL_SUCCESS else { return nil }
        return calls.text_of_error?(code).map { String(cString: $0) } ?? "error \(code.rawValue)"
    }

    /// Tells the engine its limits. What its database is made of is its own: what runs in it is interpreted, never
    /// made code of, which no worker could.
    private static func set(_ engine: OpaquePointer, _ options: ScannerOptions, _ calls: sluice_clamav) -> String? {
        let numbers: [(cl_engine_field, Int)] = [
            (CL_ENGINE_MAX_SCANSIZE, options.maxScanSize.octets), (CL_ENGINE_MAX_FILESIZE, options.maxFileSize.octets),
            (CL_ENGINE_MAX_FILES, options.maxFiles), (CL_ENGINE_MAX_RECURSION, options.maxNesting),
            (CL_ENGINE_MAX_SCANTIME, Int(options.maxTime.seconds * 1000)),
            (CL_ENGINE_BYTECODE_MODE, Int(CL_BYTECODE_MODE_INTERPRETER.rawValue)),
        ]
        for (field, number) in numbers {
            if let fault = fault(calls.set_number?(engine, field, Int64(number)), calls) { return fault }
        }
        return fault(calls.set_text?(engine, CL_ENGINE_TMPDIR, options.folder), calls)
    }

    /// Where it unpacks from now on.
    func use(folder: String) throws(JobFailure) {
        if let fault = Self.fault(calls.set_text?(engine, CL_ENGINE_TMPDIR, folder), calls) {
            throw JobFailure(reason: fault)
        }
    }

    /// What a scan has found, each name once.
    private final class Findings {
        var names: [String] = []

        func add(_ name: String) {
            if names.count < ScanReport.mostFindings, !names.contains(name) { names.append(name) }
        }
    }

    /// The names of what is found in these octets, heuristics among them: what they are worth is not decided here.
    func scan(_ octets: UnsafeRawBufferPointer) throws(JobFailure) -> [String] {
        guard octets.count > 0 else { return [] }
        guard let map = calls.open_memory?(octets.baseAddress, octets.count) else {
            throw JobFailure(reason: "libclamav cannot map \(octets.count) octets")
        }
        defer { calls.close_memory?(map) }
        var options = Self.options
        var name: UnsafePointer<CChar>?
        var scanned: UInt = 0
        let findings = Findings()
        let code = withExtendedLifetime(findings) {
            calls.scan?(map, nil, &name, &scanned, engine, &options, Unmanaged.passUnretained(findings).toOpaque())
        }
        if code == CL_VIRUS, findings.names.isEmpty { findings.add(name.map { String(cString: $0) } ?? "unnamed") }
        // What took too long was not looked at to its end, and that is something to be told of.
        if code == CL_ETIMEOUT { findings.add("Heuristics.Limits.Exceeded.MaxScanTime") }
        if code != CL_VIRUS, code != CL_ETIMEOUT, let fault = Self.fault(code, calls) {
            throw JobFailure(reason: "libclamav: \(fault)")
        }
        return findings.names
    }

    /// Everything is looked at and told; the stage decides what counts.
    private static let options: cl_scan_options = {
        var options = cl_scan_options()
        options.general = UInt32(CL_SCAN_GENERAL_ALLMATCHES | CL_SCAN_GENERAL_HEURISTICS)
        options.parse = .max
        options.heuristic = UInt32(
            CL_SCAN_HEURISTIC_BROKEN | CL_SCAN_HEURISTIC_EXCEEDS_MAX | CL_SCAN_HEURISTIC_PHISHING_SSL_MISMATCH
                | CL_SCAN_HEURISTIC_PHISHING_CLOAK | CL_SCAN_HEURISTIC_MACROS | CL_SCAN_HEURISTIC_ENCRYPTED_ARCHIVE
                | CL_SCAN_HEURISTIC_ENCRYPTED_DOC)
        return options
    }()
}
