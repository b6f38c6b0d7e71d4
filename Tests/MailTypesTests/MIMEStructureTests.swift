import MailTypes
import Testing

@Suite struct MIMEStructureTests {
    static func structure(_ text: String, limits: MIMELimits = MIMELimits()) throws -> (MIMEStructure, Bytes) {
        let message = try Message(parsing: Bytes(Array(text.replacing("\n", with: "\r\n").utf8)))
        return (MIMEStructure(of: message, limits: limits), message.body)
    }

    struct Sample: CustomTestStringConvertible {
        var testDescription: String
        var text: String
        /// Depth, type and content of each part; multiparts without content.
        var parts: [String]
        var defects: Set<MIMEDefect> = []
    }

    static let samples = [
        Sample(testDescription: "plain text", text: "Subject: x\n\nhello\n", parts: ["0 text/plain hello|"]),
        Sample(
            testDescription: "two parts",
            text:
                "Content-Type: multipart/mixed; boundary=b\n\npre\n--b\n\none\n"
                + "--b\nContent-Type: TEXT/Html\n\ntwo\n--b--\npost\n",
            parts: ["0 multipart/mixed", "1 text/plain one", "1 text/html two"]),
        Sample(
            testDescription: "a part that ends with an empty line",
            text: "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n\n--b--\n",
            parts: ["0 multipart/mixed", "1 text/plain one|"]),
        Sample(
            testDescription: "an empty part",
            text: "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n--b--\n",
            parts: ["0 multipart/mixed", "1 text/plain "]),
        Sample(
            testDescription: "one boundary the beginning of the other",
            text: """
                Content-Type: multipart/mixed; boundary=b

                --b
                Content-Type: multipart/alternative; boundary=bb

                --bb

                in
                --bb--
                --b

                out
                --b--

                """,
            parts: ["0 multipart/mixed", "1 multipart/alternative", "2 text/plain in", "1 text/plain out"]),
        Sample(
            testDescription: "an outer delimiter ends all inner parts",
            text: """
                Content-Type: multipart/mixed; boundary=o

                --o
                Content-Type: multipart/mixed; boundary=i

                --i

                in
                --o

                out
                --o--
                """,
            parts: ["0 multipart/mixed", "1 multipart/mixed", "2 text/plain in", "1 text/plain out"],
            defects: [.missingFinalBoundary]),
        Sample(
            testDescription: "equal boundaries mean the inner multipart",
            text: """
                Content-Type: multipart/mixed; boundary=b

                --b
                Content-Type: multipart/mixed; boundary=b

                --b

                in
                --b--
                --b

                out
                --b--
                """,
            parts: ["0 multipart/mixed", "1 multipart/mixed", "2 text/plain in", "1 text/plain out"],
            defects: [.reusedBoundary]),
        Sample(
            testDescription: "a message in a message",
            text: """
                Content-Type: multipart/digest; boundary=b

                --b

                Subject: inner
                Content-Type: text/html

                body
                --b--
                """,
            parts: ["0 multipart/digest", "1 message/rfc822", "2 text/html body"]),
        Sample(
            testDescription: "a message whose header is cut off",
            text:
                "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nSubject: x\n--b--\n",
            parts: ["0 multipart/mixed", "1 message/rfc822", "2 text/plain "], defects: [.endsInHeader]),
        Sample(
            testDescription: "no boundary", text: "Content-Type: multipart/mixed\n\n--b\n",
            parts: ["0 multipart/mixed --b|"],
            defects: [.missingBoundary]),
        Sample(
            testDescription: "an empty boundary", text: "Content-Type: multipart/mixed; boundary=\"\"\n\n--\n",
            parts: ["0 multipart/mixed --|"], defects: [.missingBoundary]),
        Sample(
            testDescription: "two boundaries",
            text: "Content-Type: multipart/mixed; boundary=a; boundary=b\n\n--b\n\nno\n--a\n\nyes\n--a--\n",
            parts: ["0 multipart/mixed", "1 text/plain yes"], defects: [.duplicateParameter]),
        Sample(
            testDescription: "two types", text: "Content-Type: text/html\nContent-Type: text/plain\n\nx",
            parts: ["0 text/html x"],
            defects: [.duplicateField]),
        Sample(
            testDescription: "a multipart without parts", text: "Content-Type: multipart/mixed; boundary=b\n\nx\n",
            parts: ["0 multipart/mixed x|"], defects: [.noParts]),
        Sample(
            testDescription: "no final delimiter", text: "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n",
            parts: ["0 multipart/mixed", "1 text/plain x|"], defects: [.missingFinalBoundary]),
        Sample(
            testDescription: "a part without an empty line",
            text: "Content-Type: multipart/mixed; boundary=b\n\n--b\nhello there\n--b--\n",
            parts: ["0 multipart/mixed", "1 text/plain hello there"], defects: [.missingEmptyLine]),
        Sample(
            testDescription: "blanks behind the delimiter",
            text: "Content-Type: multipart/mixed; boundary=\"b \"\n\n--b \t\n\nx\n--b-- \n",
            parts: ["0 multipart/mixed", "1 text/plain x"]),
        Sample(
            testDescription: "an encoded message is a leaf",
            text: "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nAAAA",
            parts: ["0 message/rfc822 AAAA"],
            defects: [.encodedComposite]),
        Sample(
            testDescription: "no type and no encoding that we know",
            text: "Content-Type: nonsense\nContent-Transfer-Encoding: x-uue\n\nx", parts: ["0 text/plain x"],
            defects: [.malformedField, .unknownEncoding]),
    ]

    @Test(arguments: samples)
    func `a body is taken apart`(_ sample: Sample) throws {
        let (structure, body) = try Self.structure(sample.text)
        let parents = Set(structure.parts.compactMap(\.parent))
        let parts = structure.parts.enumerated().map { index, part in
            let content = String(decoding: body[part.content].array, as: UTF8.self).replacing("\r\n", with: "|")
            return "\(part.depth) \(part.contentType)" + (parents.contains(index) ? "" : " \(content)")
        }
        #expect(parts == sample.parts)
        #expect(structure.defects == sample.defects)
    }

    @Test func `nesting is cut at the limit and said so`() throws {
        var text = "Content-Type: multipart/mixed; boundary=b0\n\n"
        for level in 1...5000 {
            text += "--b\(level - 1)\nContent-Type: multipart/mixed; boundary=b\(level)\n\n"
        }
        let (structure, _) = try Self.structure(text)
        #expect(structure.parts.count == 101)
        #expect(structure.defects.contains(.tooDeep))
        let (nested, _) = try Self.structure(String(repeating: "Content-Type: message/rfc822\n\n", count: 5000))
        #expect(nested.parts.count == 101)
        #expect(nested.defects.contains(.tooDeep))
    }

    @Test func `parts are counted and the excess said so`() throws {
        let text = "Content-Type: multipart/mixed; boundary=b\n\n" + String(repeating: "--b\n\nx\n", count: 50)
        let (structure, _) = try Self.structure(text, limits: MIMELimits(maxParts: 20))
        #expect(structure.parts.count == 20)
        #expect(structure.defects.contains(.tooManyParts))
    }

    static let fileNames: [(String, String?)] = [
        ("attachment; filename=a.pdf", "a.pdf"),
        ("attachment; filename=\"a b;c.pdf\"", "a b;c.pdf"),
        ("attachment; filename=a b (1).exe", "a b (1).exe"),
        ("attachment; filename*=utf-8''caf%C3%A9.txt", "café.txt"),
        ("attachment; filename*=iso-8859-1'fr'caf%E9.txt; filename=x.exe", "café.txt"),
        ("attachment; filename*0=ab; filename*1=\"c.e\"; filename*2=xe", "abc.exe"),
        ("attachment; filename*1*=%2Eexe; filename*0*=us-ascii'en'virus", "virus.exe"),
        ("attachment; filename*0=a; filename*2=c", "a"),
        ("attachment; filename=\"=?utf-8?B?Y2Fmw6k=?=\"", "café"),
        ("attachment;\r\n filename=\"a\r\n b.exe\"", "a b.exe"),
        ("filename=x", nil), ("attachment; filename", nil), ("attachment; filename*x=1; =; ;;", nil),
    ]

    @Test(arguments: fileNames)
    func `file names are joined and decoded`(value: String, name: String?) throws {
        let message = try Message(parsing: Bytes(Array("Content-Disposition: \(value)\r\n\r\n".utf8)))
        let part = try #require(MIMEStructure(of: message).parts.first)
        #expect(part.fileName == name)
    }

    @Test func `a flood of parameters is cut`() throws {
        let many = (0..<5000).map { "; p\($0)=x" }.joined()
        let message = try Message(parsing: Bytes(Array("Content-Type: text/plain\(many)\r\n\r\n".utf8)))
        let structure = MIMEStructure(of: message)
        #expect(structure.parts[0].contentType.parameters.list.count == MIMEParameters.maxCount)
        #expect(structure.defects == [.tooManyParameters])
    }
}
