import MailTypes
import Pipeline

extension Spam.Configuration {
    enum CodingKeys: String, CodingKey, CaseIterable {
        case maxSize = "max_size"
        case outgoing, lessons
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        maxSize = table.value(.maxSize, default: maxSize)
        outgoing = table.value(.outgoing, default: outgoing)
        lessons = table.value(.lessons, default: lessons)
    }
}
