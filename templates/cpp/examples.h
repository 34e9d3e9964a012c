namespace tgenn
{
//! What the network is shown, with the values that its encoding takes
struct Input
{
    std::string name;
    std::vector<size_t> shape;
    float uint8Divisor;     //!< uint8 examples are divided by it
    float low;
    float high;
    bool binary;            //!< 0 and 1 alone
};

//! What is read of the network
struct Output
{
    std::string name;
    std::vector<size_t> shape;
};

//! A number as in "%g" or "%.4f"
inline std::string numberText(const char *format, double number)
{
    char text[64];
    std::snprintf(text, sizeof(text), format, number);
    return text;
}

//! The examples in a folder, INPUT.npy for each input, and their targets, OUTPUT.npy, where these are there
class Examples
{
public:
    //! All is checked. limit: the first so many examples alone; 0: all
    Examples(const std::string &folder, const std::vector<Input> &inputs, const std::vector<Output> &outputs,
             size_t limit)
    {
        std::error_code ignored;
        if(!std::filesystem::is_directory(folder, ignored)) {
            throw std::runtime_error(folder + (std::filesystem::exists(folder, ignored)
                                               ? ": is not a folder: tgenn data makes one"
                                               : ": there is no such folder here: tgenn data makes it"));
        }
        const auto path = [&](const std::string &name) { return folder + "/" + name + ".npy"; };
        std::string lengths;
        bool equal = true;
        for(const Input &input : inputs) {
            NpyReader &file = m_Files.try_emplace(input.name, path(input.name)).first->second;
            checkInput(file, input);
            lengths += (lengths.empty() ? "" : ", ") + input.name + " " + std::to_string(file.rows());
            equal = equal && file.rows() == m_Files.at(inputs[0].name).rows();
            m_Divisors[input.name] = (file.type() == "|u1") ? input.uint8Divisor : 1.0f;
        }
        if(!equal) {
            throw std::runtime_error(folder + ": unequal numbers of examples: " + lengths);
        }
        const size_t all = m_Files.at(inputs[0].name).rows();
        for(const Output &output : outputs) {
            if(std::filesystem::exists(path(output.name), ignored)) {
                NpyReader &file = m_Files.try_emplace(output.name, path(output.name)).first->second;
                checkTargets(file, output, all);
                // uint8 images are divided as those of the first input are
                const bool images = file.type() == "|u1" && output.shape.size() > 1;
                m_Divisors[output.name] = images ? inputs[0].uint8Divisor : 1.0f;
            }
        }
        m_Count = (limit == 0) ? all : std::min(limit, all);
        for(const Input &input : inputs) {
            checkValues(input);
        }
    }

    size_t count() const { return m_Count; }

    //! Of an input, examples first to first + count - 1 as the network takes them; of an output, its targets
    std::vector<float> read(const std::string &name, size_t first, size_t count)
    {
        std::vector<float> values = m_Files.at(name).read<float>(first, count);
        const float divisor = m_Divisors.at(name);
        std::transform(values.begin(), values.end(), values.begin(), [&](float x) { return x / divisor; });
        return values;
    }

    bool hasTargets(const Output &output) const { return m_Files.count(output.name) > 0; }

    //! Whether there are targets and they are class numbers; they are values otherwise
    bool hasClasses(const Output &output) const
    {
        return hasTargets(output) && areClasses(m_Files.at(output.name), output);
    }

    std::vector<int64_t> classes(const Output &output, size_t first, size_t count)
    {
        return m_Files.at(output.name).read<int64_t>(first, count);
    }

private:
    static constexpr size_t PART = 1000;    // examples in memory at a time, while all are checked

    [[noreturn]] static void fail(const NpyReader &file, const std::string &problem)
    {
        throw std::runtime_error(file.path() + ": " + problem);
    }

    static std::vector<size_t> rowShape(const NpyReader &file)
    {
        return {file.shape().begin() + 1, file.shape().end()};
    }

    //! Whether rows have this shape, or lack its last axis of length 1
    static bool hasRows(const NpyReader &file, const std::vector<size_t> &shape)
    {
        std::vector<size_t> row = rowShape(file);
        if(row.size() + 1 == shape.size() && shape.back() == 1) {
            row.push_back(1);
        }
        return row == shape;
    }

    static void checkInput(const NpyReader &file, const Input &input)
    {
        if(!hasRows(file, input.shape)) {
            fail(file, "an example has shape " + printable(shapeText(rowShape(file))) + ", the network takes "
                 + shapeText(input.shape));
        }
        if(file.type() != "<f4" && file.type() != "|u1") {
            fail(file, "examples are " + file.type()
                 + ", expected <f4 or |u1: tgenn data writes what can be read");
        }
        if(file.rows() == 0) {
            fail(file, "holds no examples");
        }
    }

    //! The first row with a number that float32 does not have; count where there is none
    template<typename T>
    static size_t firstBad(const std::vector<T> &values, size_t count)
    {
        const auto bad = std::find_if(values.begin(), values.end(), [](T x) {
            return !(std::abs(x) <= std::numeric_limits<float>::max());
        });
        return static_cast<size_t>(bad - values.begin()) / (values.size() / count);
    }

    void checkValues(const Input &input)
    {
        const NpyReader &file = m_Files.at(input.name);
        for(size_t first = 0; first < m_Count; first += PART) {
            const size_t count = std::min(PART, m_Count - first);
            const std::vector<float> x = read(input.name, first, count);
            const size_t bad = firstBad(x, count);
            if(bad < count) {
                fail(file, "example " + std::to_string(first + bad)
                     + " holds NaN or infinity, or a number too large for float32");
            }
            const auto other = std::find_if(x.begin(), x.end(), [](float v) { return v != 0 && v != 1; });
            if(input.binary && other != x.end()) {
                fail(file, "the encoding takes 0 and 1 alone, the input holds " + numberText("%g", *other));
            }
            const auto ends = std::minmax_element(x.begin(), x.end());
            if(*ends.first < input.low || *ends.second > input.high) {
                fail(file, "the encoding takes " + numberText("%g", input.low) + " to "
                     + numberText("%g", input.high) + ", the input runs from "
                     + numberText("%g", *ends.first + 0.0f) + " to "
                     + numberText("%g", *ends.second + 0.0f));  // + 0: no negative zero
            }
        }
    }

    //! An output can have class numbers for targets where it is a vector
    static bool takesClasses(const Output &output) { return output.shape.size() == 1 && output.shape[0] > 1; }

    static bool areClasses(const NpyReader &file, const Output &output)
    {
        const bool column = rowShape(file).empty() || rowShape(file) == std::vector<size_t>{1};
        return takesClasses(output) && column && file.type()[1] != 'f';
    }

    //! Targets are checked whatever the limit is: those of another length do not belong to the examples
    static void checkTargets(NpyReader &file, const Output &output, size_t all)
    {
        const bool classes = areClasses(file, output);
        if(file.rows() != all || !(classes || hasRows(file, output.shape))) {
            std::vector<size_t> wanted = {all};
            const std::string numbers = "class numbers, integers " + shapeText(wanted) + ", or ";
            wanted.insert(wanted.end(), output.shape.begin(), output.shape.end());
            fail(file, output.name + " is " + file.type() + " " + printable(shapeText(file.shape()))
                 + ", expected " + (takesClasses(output) ? numbers : "") + "values " + shapeText(wanted));
        }
        double smallest = INFINITY, largest = -INFINITY;
        bool oneHot = takesClasses(output) && !classes;
        for(size_t first = 0; first < all; first += PART) {
            const size_t count = std::min(PART, all - first);
            const std::vector<double> values = file.read<double>(first, count);
            const size_t bad = firstBad(values, count);
            if(bad < count) {
                fail(file, output.name + " holds NaN or infinity, or a number too large for float32, "
                     "for example " + std::to_string(first + bad));
            }
            const auto ends = std::minmax_element(values.begin(), values.end());
            smallest = std::min(smallest, *ends.first);
            largest = std::max(largest, *ends.second);
            oneHot = oneHot && areOneHot(values, output.shape[0]);
        }
        if(oneHot) {
            fail(file, output.name + " is one-hot, expected class numbers: save " + output.name
                 + ".argmax(axis=1)");
        }
        const double last = static_cast<double>(output.shape[0]) - 1.0;
        if(classes && (smallest < 0.0 || largest > last)) {
            fail(file, output.name + " has classes " + numberText("%.0f", smallest) + " to "
                 + numberText("%.0f", largest) + ", the network has 0 to " + numberText("%.0f", last));
        }
    }

    //! Whether each row of so many values holds a single 1, and 0 besides
    static bool areOneHot(const std::vector<double> &values, size_t width)
    {
        for(auto row = values.begin(); row != values.end(); row += static_cast<std::ptrdiff_t>(width)) {
            const auto end = row + static_cast<std::ptrdiff_t>(width);
            if(std::count(row, end, 1.0) != 1 || std::count(row, end, 0.0) != end - row - 1) {
                return false;
            }
        }
        return true;
    }

    std::map<std::string, NpyReader> m_Files;
    std::map<std::string, float> m_Divisors;
    size_t m_Count = 0;
};
} // namespace tgenn
