#include "ctoml.h"

#include <deque>
#include <memory>
#include <new>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_ENABLE_UNRELEASED_FEATURES 0
#define TOML_MAX_NESTED_VALUES CTOML_MAX_NESTING
#include <toml++/impl/preprocessor.h>
#include <toml++/impl/forward_declarations.h>
// toml++ 3.3 has two flaws that input from a person can reach; found by fuzzing. The tables of characters take those
// from U+00A1 to U+0499 for impossible, which is undefined behaviour: they are in no table, so the answer is false.
#undef TOML_UNREACHABLE
#define TOML_UNREACHABLE return false
#include <toml++/impl/forward_declarations.h>
#include <toml++/impl/unicode.h>
#undef TOML_UNREACHABLE
#define TOML_UNREACHABLE __builtin_unreachable()
// Some input breaks what the parser takes for granted (`[."`), and is refused a few lines on. Its macros abort in a
// debug build and let the compiler remove those lines in a release build: neither will do.
#undef TOML_ASSERT_ASSUME
#define TOML_ASSERT_ASSUME(expr) static_assert(true)
#undef TOML_ASSERT
#define TOML_ASSERT(expr) static_assert(true)
#include <toml++/toml.h>

struct ctoml_document {
    std::string error;
    ctoml_position error_position{};
    bool failed = false;
    toml::table root;
    std::vector<ctoml_node> nodes;
    // Spelled dates; a deque because nodes point into its strings.
    std::deque<std::string> dates;
};

namespace {

ctoml_position position(const toml::source_position &source) { return {source.line, source.column}; }

// Refuses keys of so many words that the tree, walked and freed by recursion, gets too deep; and, with a clearer
// message than the parser's, characters beyond ASCII outside of strings and comments.
class Guard {
  public:
    explicit Guard(std::string_view text) : text(text) {
        if (text.substr(0, 3) == "\xEF\xBB\xBF") at = 3;
    }

    // The reason to refuse the text, or null.
    const char *objection() {
        unsigned words = 1;
        while (at < text.size()) {
            const char c = text[at];
            if (c == '#') {
                skip_comment();
            } else if (c == '"' || c == '\'') {
                skip_string(c);
            } else {
                if (c == '.') {
                    if (++words > CTOML_MAX_KEY_WORDS) return "a key has more than 16 words";
                } else if (static_cast<unsigned char>(c) >= 0x80) {
                    return "a character beyond ASCII stands outside of quotes";
                } else if (c == '\n' || c == '=' || c == ',' || c == '[' || c == ']' || c == '{' || c == '}') {
                    words = 1;
                }
                step();
            }
        }
        return nullptr;
    }

    ctoml_position where() const { return {line, column}; }

  private:
    std::string_view text;
    size_t at = 0;
    uint32_t line = 1;
    uint32_t column = 1;

    void step() {
        const auto c = static_cast<unsigned char>(text[at++]);
        if (c == '\n') {
            line++;
            column = 1;
        } else if ((c & 0xC0) != 0x80) {
            column++;
        }
    }

    void skip(size_t count) {
        while (count-- > 0 && at < text.size()) step();
    }

    void skip_comment() {
        while (at < text.size() && text[at] != '\n') step();
    }

    void skip_string(char quote) {
        const bool is_long = text.substr(at, 3) == std::string(3, quote);
        skip(is_long ? 3 : 1);
        while (at < text.size()) {
            if (text[at] == '\\' && quote == '"') {
                skip(2);
            } else if (is_long && text.substr(at, 3) == std::string(3, quote)) {
                skip(3);
                // Two more quotes may belong to the string: """a""""".
                while (at < text.size() && text[at] == quote) step();
                return;
            } else if (!is_long && (text[at] == quote || text[at] == '\n')) {
                // A line end in a short string is an error that the parser tells; dots count again from here.
                step();
                return;
            } else {
                step();
            }
        }
    }
};

class Flattener {
  public:
    explicit Flattener(ctoml_document &document) : document(document) {}

    // The depth is bounded by what the parser and Guard let through.
    void add(const toml::node &node, int64_t parent, const toml::key *key) {
        ctoml_node flat{};
        flat.parent = parent;
        flat.position = position(node.source().begin);
        if (key != nullptr) {
            flat.key = key->str().data();
            flat.key_length = key->str().size();
            flat.key_position = position(key->source().begin);
        }
        const auto place = static_cast<int64_t>(document.nodes.size());
        fill(flat, node);
        document.nodes.push_back(flat);
        if (const auto *table = node.as_table()) {
            for (auto &&[name, child] : *table) add(child, place, &name);
        } else if (const auto *array = node.as_array()) {
            for (auto &&child : *array) add(child, place, nullptr);
        }
    }

  private:
    ctoml_document &document;

    void fill(ctoml_node &flat, const toml::node &node) {
        switch (node.type()) {
        case toml::node_type::table:
            flat.kind = CTOML_TABLE;
            break;
        case toml::node_type::array:
            flat.kind = CTOML_ARRAY;
            break;
        case toml::node_type::string:
            flat.kind = CTOML_STRING;
            set_text(flat, node.as_string()->get());
            break;
        case toml::node_type::integer:
            flat.kind = CTOML_INTEGER;
            flat.integer = node.as_integer()->get();
            break;
        case toml::node_type::floating_point:
            flat.kind = CTOML_FLOAT;
            flat.number = node.as_floating_point()->get();
            break;
        case toml::node_type::boolean:
            flat.kind = CTOML_BOOLEAN;
            flat.integer = node.as_boolean()->get() ? 1 : 0;
            break;
        case toml::node_type::date:
            set_date(flat, node.as_date()->get());
            break;
        case toml::node_type::time:
            set_date(flat, node.as_time()->get());
            break;
        case toml::node_type::date_time:
            set_date(flat, node.as_date_time()->get());
            break;
        case toml::node_type::none:
            set_text(flat, empty);
            break;
        }
    }

    void set_text(ctoml_node &flat, const std::string &text) {
        flat.text = text.data();
        flat.text_length = text.size();
    }

    template <typename Date> void set_date(ctoml_node &flat, const Date &date) {
        std::ostringstream stream;
        stream << date;
        document.dates.push_back(stream.str());
        flat.kind = CTOML_DATE_TIME;
        set_text(flat, document.dates.back());
    }

    inline static const std::string empty;
};

void fail(ctoml_document &document, std::string_view error, ctoml_position position) {
    document.failed = true;
    document.error = error;
    document.error_position = position;
}

void parse(ctoml_document &document, std::string_view text) {
    if (text.size() > CTOML_MAX_LENGTH) {
        fail(document, "the file is longer than 4MB", {});
        return;
    }
    Guard guard(text);
    if (const char *objection = guard.objection()) {
        fail(document, objection, guard.where());
        return;
    }
    toml::parse_result result = toml::parse(text);
    if (!result) {
        fail(document, result.error().description(), position(result.error().source().begin));
        return;
    }
    document.root = std::move(result).table();
    Flattener(document).add(document.root, -1, nullptr);
}

}  // namespace

ctoml_document *ctoml_parse(const char *bytes, size_t length) {
    try {
        auto document = std::unique_ptr<ctoml_document>(new ctoml_document());
        parse(*document, length == 0 ? std::string_view() : std::string_view(bytes, length));
        return document.release();
    } catch (const std::bad_alloc &) {
        return nullptr;
    }
}

void ctoml_free(ctoml_document *document) { delete document; }

const char *ctoml_error(const ctoml_document *document) {
    return document->failed ? document->error.c_str() : nullptr;
}

ctoml_position ctoml_error_position(const ctoml_document *document) { return document->error_position; }

size_t ctoml_count(const ctoml_document *document) { return document->nodes.size(); }

const ctoml_node *ctoml_nodes(const ctoml_document *document) { return document->nodes.data(); }
