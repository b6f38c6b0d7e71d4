import CFuzzer
import Content
import MailTypes
import Scoring

// Any message has tokens, a bounded number of them, each once and in order; and what was taught of it is known again.
// The same octets as a model are none, or can be asked anything.
@_cdecl("TokenFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments) { data, size in
        let octets = Array(UnsafeBufferPointer(start: data, count: size))
        if let model = LessonModel(Bytes(octets)) { _ = model.margin(of: [2, 3, .max, 1 << 63]) }
        guard let message = try? Message(parsing: Bytes(octets)) else { return 0 }
        let subject = LessonSubject(message)
        precondition(subject.tokens.count <= TokenLimits().maxTokens + 1_000)
        precondition(zip(subject.tokens, subject.tokens.dropFirst()).allSatisfy { $0 < $1 })
        let lessons = [
            LessonTrainer.Lesson(tokens: subject.tokens, isSpam: true),
            LessonTrainer.Lesson(tokens: [2, 4], isSpam: false),
        ]
        let made = LessonModel.encoded(
            scope: "global", spam: 1, ham: 1, change: 1, tokens: LessonTrainer().weights(of: lessons))
        guard let model = LessonModel(Bytes(made)) else { preconditionFailure("what was written is not read") }
        precondition(subject.tokens.isEmpty || model.margin(of: subject.tokens).sum > 0)
        return 0
    }
}
