import ArgumentParser
import Configuration
import Foundation
import Synchronization

/// `--config`, which every command has.
struct ConfigurationOptions: ParsableArguments {
    @Option(
        name: .customLong("config"),
        help: ArgumentHelp(
            "The configuration.", discussion: "Otherwise ./sluice.toml, then /etc/sluice/sluice.toml.",
            valueName: "file"),
        completion: .file(extensions: ["toml"]))
    var file: String?

    /// Where the configuration is, if anywhere.
    func path() throws -> String {
        if let file {
            guard FileManager.default.fileExists(atPath: file) else {
                throw CommandFailure.wrong("There is no configuration file \(file).")
            }
            return file
        }
        let usual = ["sluice.toml", "/etc/sluice/sluice.toml"]
        guard let found = usual.first(where: FileManager.default.fileExists) else {
            throw CommandFailure.wrong(
                "There is no ./sluice.toml and no /etc/sluice/sluice.toml. Name one with --config, "
                    + "or try `sluice demo`, which needs none.")
        }
        return found
    }

    /// The settings that this command has read, by their files: what only root may read is read before its rights are
    /// given up, and not again.
    private static let read = Mutex<[String: ServerConfiguration]>([:])

    /// The settings alone, for commands that do not need the chain.
    func load() throws -> ServerConfiguration {
        let path = try path()
        if let known = Self.read.withLock({ $0[path] }) { return known }
        let loaded = ServerConfiguration.load(path)
        guard loaded.isUsable else {
            for diagnostic in loaded.diagnostics { Terminal.note(diagnostic) }
            throw CommandFailure.silent
        }
        Self.read.withLock { $0[path] = loaded.value }
        return loaded.value
    }

    /// The settings by which a running server is found, also where something else in the file is wrong: an operator
    /// in the middle of a change can still look at it. `nil` where even the data folder cannot be known.
    func settingsForServer() throws -> ServerConfiguration? {
        let loaded = ServerConfiguration.load(try path())
        if loaded.isUsable { return loaded.value }
        // A default in place of what is wrong would lead to somebody else's server.
        guard loaded.value.file != nil, loaded.value.data != ServerConfiguration.default.data else { return nil }
        return loaded.value
    }

    func loadAll(mayLackKeys: Bool = false) throws -> LoadedConfiguration {
        LoadedConfiguration(file: try path(), mayLackKeys: mayLackKeys)
    }
}
