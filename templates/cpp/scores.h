namespace tgenn
{
//! How good an output is after the last step, where the examples have targets for it.
/*! For class numbers: the part of examples whose largest output is that of their class.
    For values: the mean of the squares of the differences. */
class Score
{
public:
    Score(Examples &examples, const Output &output)
    :   m_Examples(examples), m_Output(output)
    {
    }

    //! Take in the outputs (count, size) of the next examples
    void add(const std::vector<float> &outputs, size_t count)
    {
        if(m_Examples.hasClasses(m_Output)) {
            addToAccuracy(outputs, m_Examples.classes(m_Output, m_Done, count));
        }
        else if(m_Examples.hasTargets(m_Output)) {
            addToErrors(outputs, m_Examples.read(m_Output.name, m_Done, count));
        }
        m_Done += count;
    }

    //! The result, for people
    std::string line(unsigned int timesteps) const
    {
        const std::string steps = std::to_string(timesteps) + " steps)";
        if(m_Examples.hasClasses(m_Output)) {
            const double accuracy = static_cast<double>(m_Correct) / static_cast<double>(m_Done);
            return "accuracy: " + numberText("%.4f", accuracy) + " (" + std::to_string(m_Correct) + " of "
                   + std::to_string(m_Done) + ", " + steps;
        }
        if(m_Examples.hasTargets(m_Output)) {
            const double error = m_Squares / static_cast<double>(m_Values);
            return "mean squared error: " + numberText("%.4g", error) + " (" + std::to_string(m_Done)
                   + " examples, " + steps;
        }
        return "score: none, the data has no targets";
    }

private:
    void addToAccuracy(const std::vector<float> &outputs, const std::vector<int64_t> &classes)
    {
        const size_t size = m_Output.shape[0];
        for(size_t i = 0; i < classes.size(); i++) {
            const auto row = outputs.begin() + static_cast<std::ptrdiff_t>(i * size);
            const auto largest = std::max_element(row, row + static_cast<std::ptrdiff_t>(size));
            m_Correct += (largest - row == classes[i]);
        }
    }

    void addToErrors(const std::vector<float> &outputs, const std::vector<float> &values)
    {
        for(size_t i = 0; i < values.size(); i++) {
            const double difference = static_cast<double>(outputs[i]) - static_cast<double>(values[i]);
            m_Squares += difference * difference;
        }
        m_Values += values.size();
    }

    Examples &m_Examples;
    Output m_Output;
    size_t m_Done = 0;
    size_t m_Correct = 0;
    size_t m_Values = 0;
    double m_Squares = 0.0;
};
} // namespace tgenn
