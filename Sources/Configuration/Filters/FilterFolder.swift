import MailTypes

extension FilterFile {
    /// Reads all files of a folder, in the order of their numbers.
    ///
    /// What is there and is not a stage is among the diagnostics, as is a folder that cannot be read.
    public static func load(folder: String) -> Loaded<[FilterFile]> {
        let names: [String]
        do { names = try SourceFile.names(in: folder) } catch {
            let location = SourceLocation(file: folder)
            return Loaded([], [Diagnostic(.error, at: location, "the folder cannot be read: \(error.reason)")])
        }
        var files: [FilterFile] = []
        var diagnostics: [Diagnostic] = []
        var numbers: [Int: String] = [:]
        for name in names {
            let path = name.path(in: folder)
            let location = SourceLocation(file: path)
            do {
                let place = try StageFileName(name, isFolder: SourceFile.isFolder(path))
                if let first = numbers[place.number] {
                    throw StageFileName.Misplaced(
                        message: "number \(place.number) is taken by \(first)", hint: "a number says which comes first")
                }
                numbers[place.number] = name
                let loaded = read(try SourceFile.read(path), file: path, number: place.number, name: place.name)
                diagnostics += loaded.diagnostics
                if let file = loaded.value { files.append(file) }
            } catch let error as StageFileName.Misplaced {
                diagnostics.append(Diagnostic(error.severity, at: location, error.message, hint: error.hint))
            } catch let error as SystemError {
                diagnostics.append(Diagnostic(.error, at: location, "the file cannot be read: \(error.reason)"))
            } catch {
                diagnostics.append(Diagnostic(.error, at: location, "\(error)"))
            }
        }
        return Loaded(files.sorted { $0.number < $1.number }, diagnostics)
    }
}

/// The name of a file of `filters.d`: `30-greylist.toml`.
struct StageFileName {
    let number: Int
    let name: String

    /// Why a file there is not a stage.
    struct Misplaced: Error {
        var severity = Diagnostic.Severity.error
        var message: String
        var hint: String?
    }

    private static let mostDigits = 4
    private static let ending = ".toml"
    private static let leftovers = ["~", ".swp", ".swo", ".swx", ".bak", ".orig", ".rej", ".tmp"]
    private static let switchedOff = [
        ".off", ".disabled", ".dpkg-old", ".dpkg-dist", ".dpkg-new", ".ucf-old", ".ucf-dist",
    ]

    init(_ file: String, isFolder: Bool) throws(Misplaced) {
        if isFolder { throw Misplaced(message: "is a folder; stages are files", hint: nil) }
        if file.hasPrefix(".") || file.hasPrefix("#") || Self.leftovers.contains(where: file.hasSuffix) {
            throw Misplaced(severity: .warning, message: "is not a stage: the name is that of an editor's leftover")
        }
        if Self.switchedOff.contains(where: file.hasSuffix) {
            throw Misplaced(
                message: "is not a stage: its name does not end in .toml",
                hint: "`enabled = false` switches a stage off")
        }
        guard file.hasSuffix(Self.ending) else {
            throw Misplaced(message: "is not a stage: its name does not end in .toml")
        }
        let stem = file.dropLast(Self.ending.count)
        let digits = stem.prefix { $0.isASCII && $0.isNumber }
        let rest = stem.dropFirst(digits.count)
        guard let number = Int(digits), digits.count <= Self.mostDigits, rest.hasPrefix("-"), rest.count > 1 else {
            throw Misplaced(
                message: "is not a stage: its name does not begin with a number",
                hint: "\"30-greylist.toml\": one to \(Self.mostDigits) digits, a hyphen, a name")
        }
        self.number = number
        name = String(rest.dropFirst())
    }
}
