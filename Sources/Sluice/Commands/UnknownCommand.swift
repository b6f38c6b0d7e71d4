import ArgumentParser
import Configuration

extension RootCommand {
    /// What to say of words of which one is in the place of a command and is none, with the nearest that is.
    static func unknownCommand(in words: some Sequence<String>) -> String? {
        var command: any ParsableCommand.Type = RootCommand.self
        var path = ["sluice"]
        for word in words {
            let inner = command.configuration.subcommands
            guard !inner.isEmpty, !word.hasPrefix("-") else { return nil }
            if let next = inner.first(where: { name(of: $0) == word }) {
                command = next
                path.append(word)
                continue
            }
            let names = inner.map(name(of:))
            let hint =
                NearestWord.to(word, in: names).map { "Did you mean \($0)?" }
                ?? "There are \(names.joined(separator: ", "))."
            let shown = (path + [word]).joined(separator: " ")
            return "There is no command `\(Terminal.harmless(shown))`. \(hint)"
        }
        return nil
    }

    /// As given, or made of the type's name in the argument parser's way; all of ours that are made are one word.
    private static func name(of command: any ParsableCommand.Type) -> String {
        command.configuration.commandName ?? String(describing: command).lowercased()
    }
}
