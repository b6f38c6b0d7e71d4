import Adapters
import ArgumentParser
import Filters
import Foundation
import MailTypes
import Pipeline

struct SRSCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "srs", abstract: "Rewritten reverse-paths of forwarded mail: read them, change their secret.",
        subcommands: [Reverse.self, Rotate.self])

    struct Reverse: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Tell whom a rewritten reverse-path stands for.",
            discussion: "Exits with 1 if it was not given out here, or has expired.")
        @OptionGroup var configuration: ConfigurationOptions
        @Argument(help: "The address, such as SRS0=…@acme.test.") var address: String

        func run() throws {
            guard let address = try? AddressParser.mailbox(address) else {
                throw CommandFailure.wrong("\"\(Terminal.harmless(address))\" is not an address.")
            }
            let loaded = try LoadedConfiguration(file: try configuration.path()).usable()
            let data = DataFolder(loaded.settings)
            let stages = loaded.chain.links.flatMap { [$0.base] + $0.domains.values }.compactMap { $0.stage as? SRS }
            guard !stages.isEmpty else { throw CommandFailure.wrong("The chain has no stage srs.") }
            _ = try ReversePathSecretFile(data.reversePathSecrets).told()
            guard let original = stages.lazy.compactMap({ $0.original(of: address, at: Date()) }).first else {
                throw CommandFailure.wrong("\(address) was not given out here, or has expired.")
            }
            print(Terminal.harmless(original.description))
        }
    }

    struct Rotate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sign with a new secret from the next message on.",
            discussion: """
                Old secrets stay as far as --keep says, and what they have signed is believed until it expires. With \
                --keep 0, for a secret that others have seen, reports on mail that was forwarded before are refused.
                """)
        @OptionGroup var configuration: ConfigurationOptions
        @Option(help: ArgumentHelp("How many old secrets stay.", valueName: "count")) var keep = 2

        func validate() throws {
            guard (0..<ReversePathSecretFile.mostSecrets).contains(keep) else {
                throw ValidationError("--keep is 0 to \(ReversePathSecretFile.mostSecrets - 1).")
            }
        }

        func run() throws {
            let data = try DataFolder(try configuration.load()).entered()
            let file = ReversePathSecretFile(data.reversePathSecrets)
            do {
                let kept = try file.rotate(keeping: keep)
                print("A new secret signs; \(Terminal.counted(kept, "old secret")) stay\(kept == 1 ? "s" : "").")
            } catch let error as CryptographyFailure {
                throw CommandFailure.wrong("\(error.reason).")
            } catch let error as SystemError {
                throw CommandFailure.again("The secrets cannot be changed: \(error).")
            }
        }
    }
}

extension ReversePathSecretFile {
    /// The secrets, or why there are none, for who asked.
    fileprivate func told() throws -> [[UInt8]] {
        do { return try secrets() } catch { throw CommandFailure.wrong("\(error.reason).") }
    }
}
