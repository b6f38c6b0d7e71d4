import Foundation

extension String {
    /// The text in Unicode's composed form (NFC), in which two spellings of `é` are one.
    var precomposedForLookup: String { precomposedStringWithCanonicalMapping }
}
