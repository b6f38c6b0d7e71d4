import Foundation
import SluiceTesting
import Testing

@Suite struct DialogTests {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../Dialogs/smtp").standardizedFileURL
    static let dialogs: [Dialog] = {
        do { return try Dialog.all(in: folder, withExtension: "smtp") } catch {
            Issue.record(error)
            return []
        }
    }()

    @Test func `there are dialogs, and each names its rule`() {
        #expect(Self.dialogs.count >= 80)
        for dialog in Self.dialogs { #expect(dialog.rule.count > 10, "\(dialog)") }
    }

    @Test(arguments: dialogs)
    func `a dialog is played whole`(_ dialog: Dialog) async throws {
        try await dialog.playAgainstMachine(.whole)
    }

    @Test(arguments: dialogs.filter { !$0.mustBeWhole })
    func `a dialog is played octet by octet`(_ dialog: Dialog) async throws {
        try await dialog.playAgainstMachine(.octets)
    }

    @Test(arguments: dialogs.filter { !$0.mustBeWhole })
    func `a dialog is cut before every octet`(_ dialog: Dialog) async throws {
        // Long dialogs repeat themselves: of those, every second octet, every third …
        let step = 1 + dialog.clientOctets / 800
        for place in stride(from: 1, to: max(2, dialog.clientOctets), by: step) {
            try await dialog.playAgainstMachine(.at(place))
        }
    }

    static let wrong = [
        "S: 220 *\nC: NOOP\nS: 500 *\n", "S: 220 *\nC: NOOP\n", "S: 220 *\nC: QUIT\nS: 221 *\nS: 221 *\n",
        "S: 220 *\nCLOSED\n", "S: 220 *\n# takes: 1\n",
    ]

    @Test(arguments: wrong)
    func `a dialog that is not true fails`(_ text: String) async throws {
        let dialog = try Dialog(name: "wrong", text: "# A dialog that is wrong.\n" + text)
        await #expect(throws: DialogPlayer.Failure.self) { try await dialog.playAgainstMachine(.whole) }
    }

    @Test(arguments: ["X: what", "C*x: NOOP", "C= \\q", "no line", "# config: nonsense"])
    func `a line that is no line is named`(_ line: String) {
        #expect(throws: Dialog.Malformed.self) { try Dialog(name: "malformed", text: line) }
    }
}
