import ArgumentParser
import Sandbox

#if canImport(Glibc)
    import Glibc
#endif

/// The program. Exit codes: 0 fine, 1 the thing asked is wrong, 2 wrong usage, 75 try again later.
@main
enum Main {
    /// The main thread does nothing but stay: an asynchronous `main` would let it end, and glibc's setuid(2)
    /// passes over a thread that has ended, so it would stay root's in a server that has given root up.
    static func main() {
        // Before there is a second thread: the sandbox would not hold it.
        if SandboxWorker.isMeant(by: CommandLine.arguments) { _exit(SandboxWorker.run(CommandLine.arguments)) }
        if ScannerTemplate.isMeant(by: CommandLine.arguments) { _exit(ScannerTemplate.run(CommandLine.arguments)) }
        if ProgramRunner.isMeant(by: CommandLine.arguments) { _exit(ProgramRunner.run(CommandLine.arguments)) }
        Task.detached {
            await run()
            exit(written())
        }
        while true { pause() }
    }

    /// What was printed may end on a full disk, and half of an export is none. Who stops reading has had enough.
    private static func written() -> Int32 {
        guard fflush(nil) != 0, errno != EPIPE else { return 0 }
        Terminal.complain("What is printed cannot be written: \(String(cString: strerror(errno))).")
        return 75
    }

    private static func run() async {
        do {
            var command = try RootCommand.parseAsRoot()
            if var waiting = command as? any AsyncParsableCommand {
                try await waiting.run()
            } else {
                try command.run()
            }
        } catch let failure as CommandFailure {
            Terminal.complain(failure.message)
            exit(failure.code)
        } catch {
            finish(with: error)
        }
    }

    /// Help and version go to stdout with 0; what was typed wrongly to stderr with 2.
    private static func finish(with error: any Error) -> Never {
        let message = RootCommand.fullMessage(for: error)
        switch RootCommand.exitCode(for: error) {
        case .success:
            let words = CommandLine.arguments.dropFirst()
            if words.first == "help", let complaint = RootCommand.unknownCommand(in: words.dropFirst()) {
                Terminal.complain(complaint)
                exit(ExitCodes.usage)
            }
            print(message)
            exit(0)
        case .validationFailure:
            Terminal.complain(RootCommand.unknownCommand(in: CommandLine.arguments.dropFirst()) ?? message)
            exit(ExitCodes.usage)
        case let code:
            if !message.isEmpty { Terminal.complain(message) }
            exit(code.rawValue)
        }
    }
}

struct RootCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sluice",
        abstract: "A filtering mail server: one chain of stages, one trace per message.",
        discussion: """
            Mail comes in by SMTP, submission or LMTP, goes through the stages of filters.d in their order, is queued \
            durably and delivered. `sluice demo` starts a demonstration server that needs no configuration; \
            `sluice try` shows what would become of a message; `sluice trace` shows what became of one.
            """,
        version: "sluice \(Version.text)",
        groupedSubcommands: [
            CommandGroup(
                name: "Server",
                subcommands: [ServeCommand.self, ReloadCommand.self, StatusCommand.self, DemoCommand.self]),
            CommandGroup(
                name: "Chain and messages",
                subcommands: [
                    CheckCommand.self, ChainCommand.self, TryCommand.self, TraceCommand.self, ReplayCommand.self,
                    ScoreCommand.self, TryOutCommand.self, DMARCCommand.self, LearnCommand.self,
                ]),
            CommandGroup(
                name: "Queue",
                subcommands: [QueueCommand.self, QuarantineCommand.self, SRSCommand.self, TLSCommand.self]),
            CommandGroup(
                name: "Directory",
                subcommands: [
                    PostOfficeCommand.self, DomainCommand.self, MailboxCommand.self, AliasCommand.self,
                    GroupCommand.self, SenderCommand.self, SmarthostCommand.self, RelayDomainCommand.self,
                    SplitDomainCommand.self, RouteCommand.self, DKIMCommand.self, ImportCommand.self,
                    ExportCommand.self, AuditCommand.self,
                ]),
            CommandGroup(
                name: "Policy",
                subcommands: [ThresholdsCommand.self, ListsCommand.self, BlockedCommand.self, FooterCommand.self]),
            CommandGroup(name: "Other", subcommands: [VersionCommand.self]),
        ])
}

enum ExitCodes {
    static let wrong: Int32 = 1
    static let usage: Int32 = 2
    static let again: Int32 = 75
}

/// Why a command ends without having done what was asked.
struct CommandFailure: Error {
    let message: String
    let code: Int32
    /// What was named is not in the queue.
    var isUnknown = false

    /// The thing asked is wrong.
    static func wrong(_ message: String) -> Self { Self(message: message, code: ExitCodes.wrong) }
    static func unknown(_ message: String) -> Self {
        Self(message: message, code: ExitCodes.wrong, isUnknown: true)
    }
    /// It may work later.
    static func again(_ message: String) -> Self { Self(message: message, code: ExitCodes.again) }
    /// Everything was said already.
    static let silent = Self(message: "", code: ExitCodes.wrong)
}

enum Version {
    static let text = "0.1.0"
}
