import ArgumentParser
import Configuration
import Foundation
import Queue

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Run the server in the foreground.",
        discussion: """
            SIGTERM and SIGINT stop it gracefully: transactions under way are finished, up to run.stop_limit. SIGHUP \
            reloads configuration, chain and certificates. It logs to stderr.
            """)
    @OptionGroup var configuration: ConfigurationOptions

    func run() async throws {
        // Whole, so that it means the same to whoever asks the server later, from wherever.
        let file = URL(fileURLWithPath: try configuration.path()).path
        let loaded = try LoadedConfiguration(file: file).usable()
        for diagnostic in loaded.diagnostics { Terminal.note(diagnostic) }
        try await Server.run(loaded, file: file)
    }
}

struct ReloadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload", abstract: "Let the running server take the configuration as it is now.",
        discussion: """
            The whole new configuration is built first. If anything is wrong with it, all mistakes are told, the old \
            one stays in force and the exit code is 1. Otherwise the difference of the chains is printed.
            """)
    @OptionGroup var configuration: ConfigurationOptions

    func run() throws {
        let path = try configuration.path()
        guard let settings = try configuration.settingsForServer() else {
            // It does not say where the server is: what `check` would tell is all there is.
            for diagnostic in LoadedConfiguration(file: path).diagnostics { Terminal.note(diagnostic) }
            throw CommandFailure.wrong("Not reloaded; a server that runs goes on with the old configuration.")
        }
        guard let answer = try ControlClient(data: DataFolder(settings)).ask(.reload) else {
            let data = DataFolder(try LoadedConfiguration(file: path).usable().settings)
            throw CommandFailure.again(
                "No server is running on \(data.path). If `data` was changed, that needs a restart.")
        }
        switch answer {
        case .reloaded(let file, let changes, let complaints):
            for line in complaints { Terminal.remark(line) }
            if file != URL(fileURLWithPath: path).path {
                Terminal.complain("The server runs on \(file), not on \(path).")
            }
            print(changes.isEmpty ? "Reloaded \(file); chain and listeners are as they were." : "Reloaded \(file).")
            for change in changes { print(Terminal.change(change)) }
        case .refused(let complaints):
            for line in complaints { Terminal.remark(line) }
            throw CommandFailure.wrong("Not reloaded; the server goes on with the old configuration.")
        case .failed(let reason, _): throw CommandFailure.again(reason)
        default: throw CommandFailure.again("The server has answered something else; is it of another version?")
        }
    }
}

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show how the running server is.",
        discussion: "Exits with 0 if it runs and nothing is wrong, 1 if there is something to look at, 75 if none runs."
    )
    @OptionGroup var configuration: ConfigurationOptions
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let data = DataFolder(try configuration.settingsForServer() ?? configuration.load())
        guard let answer = try ControlClient(data: data).ask(.status) else {
            throw CommandFailure.again("No server is running on \(data.path).")
        }
        guard case .status(let status) = answer else {
            throw CommandFailure.again("The server has answered something else; is it of another version?")
        }
        print(json ? try Terminal.json(status) : status.text)
        if !status.warnings.isEmpty { throw CommandFailure.silent }
    }
}

extension ServerStatus {
    /// Unverified domains that are named.
    private static let mostNames = 10

    fileprivate var text: String {
        let heading = "sluice \(version), process \(processID), since \(started.stamp)"
        var lines = [
            "\(Terminal.styled(hostname, .bold))  \(heading)",
            "  configuration  \(configuration)",
            "  listening      \(listeners.joined(separator: ", "))",
            "  connections    \(connections) of at most \(mostConnections)",
            "  chain          \(stages) stages",
            "  queue          \(Terminal.counted(queue.messages, "message")), "
                + "\(Terminal.counted(queue.deferred, "recipient")) deferred, \(queue.held) held",
        ]
        if let scanning { lines += scanning.lines.map { "  viruses        \($0)" } }
        if let unverified, !unverified.isEmpty {
            let names = unverified.prefix(Self.mostNames).joined(separator: ", ")
            lines.append("  not verified   \(names)\(unverified.count > Self.mostNames ? ", …" : "")")
        }
        if droppedTraces > 0 { lines.append("  traces         \(droppedTraces) could not be kept") }
        lines += warnings.map { "  \(Terminal.styled("look at", .yellow))        \($0)" }
        return lines.joined(separator: "\n")
    }
}
