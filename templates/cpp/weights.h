namespace tgenn
{
//! A weight file, .npy: the key of its values, how many they are, and the sha256 of the file
struct WeightFile
{
    std::string key, file;
    size_t size;
    std::string sha256;
};

//! The network's weights by key; those that this model was generated for and no others
class Weights
{
public:
    explicit Weights(const std::vector<WeightFile> &files)
    {
        for(const auto &f : files) {
            std::error_code ignored;
            const bool there = std::filesystem::exists(f.file, ignored);
            if(there && !std::filesystem::is_regular_file(f.file, ignored)) {
                throw std::runtime_error(f.file + ": is not a regular file");
            }
            std::ifstream stream(f.file, std::ios::binary | std::ios::ate);
            const std::streamoff end = stream.tellg();
            if(!stream || end < 0) {
                throw std::runtime_error(f.file + ": cannot be read: run this in the folder of network.yaml");
            }
            const size_t length = static_cast<size_t>(end), values = f.size * sizeof(float);
            std::string content;
            if(length >= values && length - values < MAX_HEADER) {
                content.resize(length);
                stream.seekg(0).read(content.data(), end);
            }
            if(!stream || sha256(content) != f.sha256) {
                throw std::runtime_error(f.file + ": is not the file that this model was generated for: "
                                         "run tgenn generate");
            }
            // the hash says that it is a .npy of float32 in C order, which ends with the values
            Floats &read = m_Values[f.key];
            read.resize(f.size);
            std::memcpy(read.data(), content.data() + length - values, values);
        }
    }

    const Floats &operator[](const std::string &key) const{ return m_Values.at(key); }

private:
    static constexpr size_t MAX_HEADER = 65536;
    std::map<std::string, Floats> m_Values;
};
}
