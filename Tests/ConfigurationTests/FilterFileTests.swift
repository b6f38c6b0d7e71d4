import Configuration
import Foundation
import MailTypes
import Testing

#if canImport(Glibc)
    import Glibc
#endif

@Suite struct FilterFileTests {
    @Test func `a folder is read in the order of its numbers`() throws {
        let folder = try TemporaryFolder()
        try folder.write("stage = \"relay\"\nenabled = false\n", to: "100-relay.toml")
        try folder.write(
            """
            stage      = "greylist"
            only       = ["smtp"]
            unless     = ["authenticated", "spf.pass"]
            on_failure = "continue"
            timeout    = "2s"
            observe    = true
            [greylist]
            delay = "10m"
            [domain."Example.ORG".greylist]
            delay = "1m"
            """, to: "20-greylist.toml")
        let loaded = FilterFile.load(folder: folder.path)
        #expect(loaded.diagnostics == [] && loaded.isUsable)
        #expect(loaded.value.map(\.number) == [20, 100])
        let file = try #require(loaded.value.first)
        #expect(file.name == "greylist" && file.stage.value == "greylist" && file.stage.location.line == 1)
        #expect(file.only.map(\.value) == ["smtp"])
        #expect(
            file.unless.map { "\($0.value) \($0.location.line):\($0.location.column)" } == [
                "authenticated 3:15", "spf.pass 3:32",
            ])
        #expect(file.onFailure == .continue && file.timeout == "2s" && file.isObserved && file.isEnabled)
        #expect(file.domains.map(\.value) == ["example.org"])
        #expect(file.decode(GreylistValues.self).value?.delay == "10m")
        #expect(file.decode(GreylistValues.self, domain: "example.org").value?.delay == "1m")
        #expect(file.decode(GreylistValues.self, domain: "example.net").value?.delay == "10m")
        #expect(loaded.value.last?.isEnabled == false)
        #expect(loaded.value.last?.onFailure == .tempfail)
    }

    @Test func `a stage without a table has all its defaults`() throws {
        let file = FilterFile.read(Array("stage = \"greylist\"".utf8), file: "t", number: 1, name: "t").value
        let decoded = try #require(file).decode(GreylistValues.self)
        #expect(decoded.diagnostics == [] && decoded.value?.delay == "5m")
        #expect(decoded.options.allSatisfy { $0.origin == "default" })
        #expect(decoded.location.description == "t:1:9")
    }

    @Test func `what is no file is named`() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(
            atPath: "\(folder.path)/10-folder.toml", withIntermediateDirectories: false)
        #expect(mkfifo("\(folder.path)/20-pipe.toml", 0o600) == 0)
        #expect(symlink("\(folder.path)/nowhere", "\(folder.path)/30-link.toml") == 0)
        let loaded = FilterFile.load(folder: folder.path)
        #expect(
            loaded.diagnostics.map { $0.description.replacing("\(folder.path)/", with: "") } == [
                "10-folder.toml: error: is a folder; stages are files",
                "20-pipe.toml: error: the file cannot be read: Invalid argument",
                "30-link.toml: error: the file cannot be read: No such file or directory",
            ])
    }

    @Test func `a folder or file that is not there is named`() throws {
        let folder = try TemporaryFolder()
        let stages = FilterFile.load(folder: "\(folder.path)/filters.d")
        #expect(!stages.isUsable)
        #expect(stages.diagnostics.map(\.message) == ["the folder cannot be read: No such file or directory"])
        let server = ServerConfiguration.load("\(folder.path)/sluice.toml")
        #expect(!server.isUsable)
        #expect(server.diagnostics.map(\.message) == ["the file cannot be read: No such file or directory"])
    }

    @Test func `an error of the stage itself has the place of its table`() throws {
        struct Failure: Error, CustomStringConvertible { var description: String { "nothing to compare with" } }
        let text = "stage = \"x\"\n[x]\n[domain.\"a.example\".x]\n"
        let file = try #require(FilterFile.read(Array(text.utf8), file: "t", number: 1, name: "t").value)
        #expect(file.diagnostic(Failure()).description == "t:2:1: error: nothing to compare with")
        #expect(file.diagnostic(Failure(), domain: "a.example").line == 3)
    }
}
