import ArgumentParser
import Configuration
import Directory
import Foundation
import MailTypes

/// The program that is run on what has come to a mailbox.
struct EventCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "event", abstract: "Run a program on each message that has come to a mailbox.",
        discussion: """
            The program lies in the folder that [events] of sluice.toml names. It is told the file of the message and \
            its kind; where, how long and with what it runs, sluice.toml says. Without an option, shows what is set.
            """)
    @OptionGroup var place: DirectoryOptions
    @Argument(help: "The mailbox's address; without one, all that have a program are listed.") var address: String?
    @Option(help: ArgumentHelp("Its name in the folder of programs.", valueName: "name")) var program: String?
    @Flag(help: "Run none any more.") var off = false
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        if off, program != nil { throw ValidationError("Say --program or --off, not both.") }
    }

    func run() throws {
        guard let address else {
            if off || program != nil { throw CommandFailure.wrong("Say which mailbox it is for.") }
            return try list()
        }
        guard off || program != nil else { return try show(address) }
        if let program {
            let folder = try place.configuration.load().events.folder
            do throws(EventProgram.Unusable) { _ = try EventProgram(program, in: folder) } catch {
                throw CommandFailure.wrong("\(error.reason).")
            }
        }
        var isNew = false
        try place.change { changes in isNew = try changes.setDeliveryEvent(program, of: address) }
        if let program {
            print("\(program) is run on each message that comes to \(address).")
        } else {
            print(isNew ? "No program is run for \(address) any more." : "No program was run for \(address).")
        }
    }

    private func show(_ address: String) throws {
        let mailbox = try EmailAddress(typed: address)
        let program = try place.read { directory in try directory.deliveryEvent(of: mailbox) }
        if json { return print(try Terminal.json(program.map { DeliveryEventEntry(mailbox: mailbox, program: $0) })) }
        print(program.map { "\(mailbox): \($0)" } ?? "No program is run for \(mailbox).")
    }

    private func list() throws {
        let entries = try place.read { directory in try directory.deliveryEvents() }
        if json { return print(try Terminal.json(entries)) }
        guard !entries.isEmpty else { return print("No mailbox has a program.") }
        print(Terminal.table(["MAILBOX", "PROGRAM"], entries.map { [$0.mailbox.description, $0.program] }))
    }
}
