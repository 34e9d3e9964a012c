namespace tgenn
{
//! A shape as Python writes it: (7, 10, 2) or (7,)
inline std::string shapeText(const std::vector<size_t> &shape)
{
    std::string text;
    for(const size_t length : shape) {
        text += (text.empty() ? "" : ", ") + std::to_string(length);
    }
    return "(" + text + (shape.size() == 1 ? ",)" : ")");
}

//! What strangers wrote, for a message: one line, not long
inline std::string printable(const std::string &text)
{
    std::string shown = text.substr(0, 60);
    std::replace_if(shown.begin(), shown.end(), [](unsigned char c) { return c < 32 || c > 126; }, '?');
    return shown + (text.size() > shown.size() ? "..." : "");
}

//! Elements of an array of this shape; the largest size_t where they are too many
inline size_t elements(const std::vector<size_t> &shape)
{
    size_t count = 1;
    for(const size_t length : shape) {
        if(length == 0) {
            return 0;
        }
        const bool fits = count <= std::numeric_limits<size_t>::max() / length;
        count = fits ? count * length : std::numeric_limits<size_t>::max();
    }
    return count;
}

//! An .npy file that is read in parts: numbers, little-endian, in C order
/*! The format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
    Nothing but the header is read before that and the file's size agree. */
class NpyReader
{
public:
    explicit NpyReader(const std::string &path)
    :   m_Path(path)
    {
        std::error_code ignored;
        if(std::filesystem::exists(path, ignored) && !std::filesystem::is_regular_file(path, ignored)) {
            fail("is not a regular file");
        }
        errno = 0;
        m_File.open(path, std::ios::binary | std::ios::ate);
        if(!m_File) {
            fail("cannot be read: " + std::generic_category().message(errno));
        }
        const size_t size = static_cast<size_t>(m_File.tellg());
        readHeader();

        const size_t count = elements(m_Shape), held = size - m_Start;
        if(count > held || held != count * itemSize()) {
            fail("holds " + std::to_string(held) + " bytes of data, which are no " + m_Type + " "
                 + printable(shapeText(m_Shape)));
        }
    }

    const std::string &path() const { return m_Path; }

    //! As NumPy writes it, "<f4" for instance
    const std::string &type() const { return m_Type; }

    const std::vector<size_t> &shape() const { return m_Shape; }
    size_t rows() const { return m_Shape[0]; }

    //! Rows first to first + count - 1
    template<typename T>
    std::vector<T> read(size_t first, size_t count)
    {
        if(m_Type == "<f4") { return converted<T, float>(first, count); }
        if(m_Type == "<f8") { return converted<T, double>(first, count); }
        if(m_Type == "<i4") { return converted<T, int32_t>(first, count); }
        if(m_Type == "<i8") { return converted<T, int64_t>(first, count); }
        return converted<T, uint8_t>(first, count);
    }

private:
    static constexpr size_t MAX_HEADER = 1024;  // enough for all axes that an array can have

    [[noreturn]] void fail(const std::string &problem) const
    {
        throw std::runtime_error(m_Path + ": " + problem);
    }

    //! Type, shape and start of the data: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
    void readHeader()
    {
        char start[12] = {};
        m_File.seekg(0).read(start, 12);
        if(!m_File || std::string(start, 6) != "\x93NUMPY" || start[6] < 1 || start[6] > 3) {
            fail("is not an .npy file: tgenn data writes what can be read");
        }
        m_Start = (start[6] == 1) ? 10 : 12;
        size_t length = 0;
        for(size_t byte = m_Start; byte > 8; byte--) {
            length = (length << 8) | static_cast<unsigned char>(start[byte - 1]);
        }
        std::string header(std::min(length, MAX_HEADER), ' ');
        m_File.seekg(static_cast<std::streamoff>(m_Start));
        m_File.read(header.data(), static_cast<std::streamsize>(header.size()));
        m_Type = field(header, "'descr'", "'");
        const std::string order = field(header, "'fortran_order'", ",}");
        const std::string lengths = field(header, "'shape'", ")");
        const bool isShape = header.find(')') != std::string::npos
                             && lengths.find_first_not_of("0123456789, ") == std::string::npos;
        const bool isOrder = order == "True" || order == "False";
        if(!m_File || length > MAX_HEADER || m_Type.empty() || !isOrder || !isShape) {
            fail("has a damaged header, or holds no numbers: tgenn data writes what can be read");
        }
        m_Start += length;
        std::istringstream words(lengths);
        for(std::string word; std::getline(words, word, ',');) {
            word.erase(std::remove(word.begin(), word.end(), ' '), word.end());
            if(!word.empty()) {
                m_Shape.push_back(std::stoull(word.substr(0, 19)));  // what is longer is no file's size
            }
        }
        if(m_Shape.empty()) {
            fail("is a single number, expected an array");
        }
        if(itemSize() == 0) {
            fail("is " + printable(m_Type) + ", expected <f4, <f8, <i4, <i8 or |u1: tgenn data writes those");
        }
        if(order == "True" && m_Shape.size() > 1) {
            fail("is in Fortran order: save numpy.ascontiguousarray of it");
        }
    }

    //! What stands behind a key, before one of `ends`; "" for nothing
    static std::string field(const std::string &header, const std::string &key, const std::string &ends)
    {
        const size_t at = header.find(key);
        const size_t value = (at == std::string::npos) ? at : at + key.size();
        const size_t begin = header.find_first_not_of(": '(", value);
        const size_t end = header.find_first_of(ends, begin);
        return (end == std::string::npos) ? "" : header.substr(begin, end - begin);
    }

    //! Bytes of one element; 0 where the type is not read here
    size_t itemSize() const
    {
        static const std::map<std::string, size_t> sizes = {
            {"<f4", 4}, {"<f8", 8}, {"<i4", 4}, {"<i8", 8}, {"|u1", 1}};
        const auto size = sizes.find(m_Type);
        return (size == sizes.end()) ? 0 : size->second;
    }

    template<typename T, typename From>
    std::vector<T> converted(size_t first, size_t count)
    {
        const size_t width = elements({m_Shape.begin() + 1, m_Shape.end()});
        std::vector<From> values(count * width);
        m_File.clear();
        m_File.seekg(static_cast<std::streamoff>(m_Start + first * width * sizeof(From)));
        m_File.read(reinterpret_cast<char*>(values.data()),
                    static_cast<std::streamsize>(values.size() * sizeof(From)));
        if(!m_File) {
            fail("cannot be read: it was changed since it was opened, or the disk is damaged");
        }
        if constexpr(std::is_same_v<T, From>) {
            return values;
        }
        else {
            std::vector<T> result;
            result.reserve(values.size());
            for(const From value : values) {
                result.push_back(static_cast<T>(value));
            }
            return result;
        }
    }

    std::string m_Path;
    std::ifstream m_File;
    std::string m_Type;
    std::vector<size_t> m_Shape;
    size_t m_Start = 0;
};

//! An .npy file, written in parts, with the bytes of numpy.save: there whole, after close, or not at all
class NpyWriter
{
public:
    NpyWriter(const std::string &path, const std::string &type, const std::vector<size_t> &shape)
    :   m_Path(path), m_Part(path + ".part")
    {
        std::string header = "{'descr': '" + type + "', 'fortran_order': False, 'shape': ";
        header += shapeText(shape) + ", }";
        header.append(21 - std::to_string(shape.at(0)).size(), ' ');  // NumPy's room for a longer first axis
        header.append(64 - (header.size() + 11) % 64, ' ');
        header += '\n';
        errno = 0;
        m_File.open(m_Part, std::ios::binary | std::ios::trunc);
        m_File.write("\x93NUMPY\x01\x00", 8);
        m_File.put(static_cast<char>(header.size() & 0xff)).put(static_cast<char>(header.size() >> 8));
        m_File << header;
        check(errno);
    }

    ~NpyWriter()
    {
        m_File.close();
        std::error_code ignored;
        if(m_Started) {
            std::filesystem::remove(m_Part, ignored);
        }
    }

    NpyWriter(const NpyWriter&) = delete;
    NpyWriter &operator=(const NpyWriter&) = delete;

    //! The next elements
    void append(const void *data, size_t bytes)
    {
        errno = 0;
        m_File.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
        check(errno);
    }

    //! All was appended, and is on the disk; the file has not its name yet
    void finish()
    {
        errno = 0;
        m_File.close();
        check(errno);
        std::error_code ignored;
        if(std::filesystem::is_directory(m_Path, ignored)) {
            fail(EISDIR);
        }
    }

    //! The file gets its name
    void close()
    {
        if(m_File.is_open()) {
            finish();
        }
        std::error_code error;
        std::filesystem::rename(m_Part, m_Path, error);
        if(error) {
            fail(error.value());
        }
    }

private:
    [[noreturn]] void fail(int reason) const
    {
        throw std::runtime_error(m_Path + ": cannot be written: " + std::generic_category().message(reason));
    }

    void check(int reason)
    {
        if(!m_File) {
            fail(reason);
        }
        m_Started = true;
    }

    std::string m_Path;
    std::string m_Part;
    std::ofstream m_File;
    bool m_Started = false;
};
} // namespace tgenn
